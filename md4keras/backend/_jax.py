"""JAX: a pure training step that keeps the old state where the new one is not finite."""

import contextlib
import functools
import itertools
import sys

import jax
import jax.numpy as jnp
import keras

from md4keras.backend._jax_devices import (
    as_weights,
    keep_rows,
    map_rows,
    num_processes,
    of_all_processes,
    process_number,
    start_processes,
    to_numpy,
)
from md4keras.backend._orbax import OrbaxStates

__all__ = [
    "OrbaxStates",
    "keep_rows",
    "map_rows",
    "num_processes",
    "of_all_processes",
    "process_number",
    "start_processes",
    "to_numpy",
]

COMPILES_EACH_SHAPE = True
"""Whether a function from `compile_function` is compiled anew for each shape of its tensors."""


def train_step(model, state, data):
    """A training step of a `models.trainer.Trainer`: logs, and the state after it."""
    trainable, non_trainable, optimizer_variables, metrics_variables = state
    others = (non_trainable, metrics_variables)
    batch = keras.utils.unpack_x_y_sample_weight(data)
    step, others = _stateless(model, model.draw_step, batch, trainable, others)

    @functools.partial(jax.value_and_grad, has_aux=True)
    def with_gradients(trainable, others, function, *args):
        (loss, term), others = _stateless(model, function, args, trainable, others)
        return loss, (term, others)

    def part(*args):
        found, gradients = with_gradients(trainable, *args)
        return found, as_weights(gradients, model.trainable_variables)

    def through_network(sums, step):
        loss, gradients, others = sums
        terms = []
        for zt in step.maskings:
            zt, gradients = _in_turn(zt, gradients)
            (objective, (term, others)), more = part(others, model.masking_objective, step, zt)
            loss, terms, gradients = loss + objective, [*terms, term], _add(gradients, more)
        return (loss, gradients, others), terms

    if model.micro_batches == 1:
        (loss, gradients, others), terms = through_network((0.0, None, others), step)
    else:
        start = 0.0, [jnp.zeros_like(value) for value in trainable], others
        parts = jax.tree.map(lambda x: keep_rows(x, axis=1), model.in_micro_batches(step))
        sums, found = jax.lax.scan(through_network, start, parts)
        (loss, gradients, others), terms = sums, model.terms_of(step, found)
    (objective, (_, others)), more = part(
        others, lambda *args: (model.closing_objective(*args), None), step, terms
    )
    loss, gradients = loss + objective, _add(gradients, more)
    norm = jnp.sqrt(sum(jnp.sum(jnp.square(g.astype("float32"))) for g in gradients))
    finite = jnp.isfinite(loss) & jnp.isfinite(norm)

    updated = model.optimizer.stateless_apply(optimizer_variables, gradients, trainable)
    trainable, optimizer_variables = jax.tree.map(
        lambda new, old: jnp.where(finite, new, old),
        tuple(map(list, updated)),
        (list(trainable), list(optimizer_variables)),
    )
    logs, others = _stateless(model, model.step_logs, (norm, finite), trainable, others)
    non_trainable, metrics_variables = others
    return logs, (trainable, non_trainable, optimizer_variables, metrics_variables)


def test_step(model, state, data):
    """A batch of an evaluation: logs, and the state after it."""
    trainable, *others = state
    batch = keras.utils.unpack_x_y_sample_weight(data)
    logs, others = _stateless(model, model.evaluate_batch, batch, trainable, others)
    return logs, (trainable, *others)


def run_step(model, function, state, iterator):
    """Runs a compiled step of Keras's trainer; returns its logs, and all that it returns.

    The batches are read first, because a step takes its state's memory.
    """
    batches = list(itertools.islice(iterator, model.steps_per_execution))
    logs, state = function(state, iter(batches))
    hold_variables(model, state)
    return logs, (logs, state)


def hold_variables(model, state, *args):
    """Keeps the values of the variables where `restore_variables` finds them.

    Keras takes them out of the model while it trains or evaluates; it keeps them there too, but
    only after the first step.

    Args:
        state: the values before a step, or after it.
        args: not used, what else the step is given.
    """
    kinds = ["trainable", "non_trainable", "optimizer", "metrics"]
    if len(state) == 3:  # an evaluation's
        kinds.remove("optimizer")
    model._jax_state = {f"{kind}_variables": s for kind, s in zip(kinds, state, strict=False)}


def restore_variables(model):
    """Puts the values of the last whole step back into the model's variables."""
    model.jax_state_sync()
    model._jax_state = None


@contextlib.contextmanager
def averages_kept_on_failure(model):
    """A `fit` in which the averaged weights replace the others at its good end alone.

    (Keras's trainer does it on JAX whatever the end.)
    """
    optimizer, before = model.optimizer, sys.exc_info()[1]
    finalize = optimizer.finalize_variable_values

    def finalize_unless_failing(variables):
        if sys.exc_info()[1] is before:
            finalize(variables)

    optimizer.finalize_variable_values = finalize_unless_failing
    try:
        yield
    finally:
        del optimizer.finalize_variable_values


def release_shared_buffers(model):
    """Gives the averaged weights buffers of their own.

    The end of `fit` assigns them to the model, after which both hold one array; the next `fit` or
    `evaluate` donates it, and the other copy would be gone.
    """
    for average in getattr(model.optimizer, "_model_variables_moving_average", None) or ():
        if average is not None:
            average.assign(jnp.array(average.value, copy=True))


def _stateless(model, function, args, trainable, others):
    """The result of a method, and the other variables (a pair of lists) after it."""
    groups = (model.trainable_variables, model.non_trainable_variables, model.metrics_variables)
    mapping = [
        pair
        for variables, values in zip(groups, (trainable, *others), strict=True)
        for pair in zip(variables, values, strict=True)
    ]
    with keras.StatelessScope(state_mapping=mapping) as scope:
        result = function(*args)
    return result, tuple([scope.get_current_value(v) for v in group] for group in groups[1:])


def keep_mask(seed, rate: float, shape):
    """What dropout keeps: each entry by a hash of the seed and its place.

    So devices that share a batch draw each its own part, the same as one device draws, and nothing
    is kept in memory for it. On a CPU it takes a quarter of the time of JAX's fastest generator. As
    the places of two rows are hashed with different keys, their masks have nothing in common.

    Reference: the hash is "lowbias32" of Wellons, https://github.com/skeeto/hash-prospector.
    """

    def hashed(x):
        x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
        x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
        return x ^ (x >> 16)

    number, *sizes = shape
    row = jax.lax.broadcasted_iota("uint32", (number, *(1 for _ in sizes)), 0)
    key = hashed(hashed(row + seed[0]) ^ seed[1])  # [number, 1, ...]
    place = jnp.uint32(0)  # in the row
    for axis, size in enumerate(sizes):
        line = [1] * len(shape)
        line[axis + 1] = size
        place = place * jnp.uint32(size) + jax.lax.broadcasted_iota("uint32", line, axis + 1)
    bits = hashed(hashed(place ^ key) + hashed(key + jnp.uint32(0x9E3779B9)))
    return bits >= jnp.uint32(min(round(rate * 2**32), 2**32 - 1))


def remat(function, through_weights: bool = False):
    """As `keras.remat`, in the order that saves memory.

    `jax.checkpoint` leaves the order to barriers, which XLA removes on CPUs before it decides what
    to compute when; then most is recomputed in the forward pass, and nothing is saved. There,
    numbers depend on each other instead: what is recomputed waits for the incoming gradient, and
    the gradient handed on waits for those of the weights, so that both sides of a weight's
    product can go.

    Args:
        function: of arrays; may read a layer's weights.
        through_weights: bool, whether all that is large depends on the weights: then these wait,
            which are smaller, and not the inputs.
    """
    if _barriers_hold():
        return jax.checkpoint(function)

    def run(*inputs):
        # What the function reads besides its inputs: weights, as constants of its program.
        program, outputs = jax.make_jaxpr(function, return_shape=True)(*inputs)
        structure = jax.tree.structure(outputs)

        def pure(inputs, weights):
            values = jax.core.eval_jaxpr(program.jaxpr, weights, *inputs)
            return jax.tree.unflatten(structure, values)

        @jax.custom_vjp
        def region(inputs, weights):
            return pure(inputs, weights)

        def forward(inputs, weights):
            # Frozen weights have no gradient, which would be computed to be waited for.
            trained = tuple(each.value if each.perturbed else None for each in weights)
            frozen = tuple(None if each.perturbed else each.value for each in weights)
            inputs, weights = jax.tree.map(lambda each: each.value, (inputs, weights))
            return region(inputs, weights), (inputs, trained, frozen)

        def backward(kept, gradient):
            inputs, trained, frozen = kept
            gradient = jax.tree.map(_instantiated, gradient)
            if through_weights and program.consts:
                trained, frozen = _after((trained, frozen), gradient)
            else:
                inputs = _after(inputs, gradient)
                # CPUs multiply float32 copies of these, which the forward pass would leave here.
                trained, frozen = _after((trained, frozen), gradient, _is_half)

            def of_trained(inputs, trained):
                pairs = zip(trained, frozen, strict=True)
                return pure(inputs, tuple(b if a is None else a for a, b in pairs))

            _, pull = jax.vjp(of_trained, inputs, trained)
            by_inputs, by_trained = pull(gradient)
            return _after(by_inputs, by_trained), by_trained

        region.defvjp(forward, backward, symbolic_zeros=True)
        return region(inputs, tuple(program.consts))

    return run


def _instantiated(gradient):
    """A gradient as an array, also where JAX knows that it is zero."""
    if isinstance(gradient, jax.custom_derivatives.SymbolicZero):
        return jnp.zeros(gradient.shape, gradient.dtype)
    return gradient


def _barriers_hold() -> bool:
    """Whether XLA heeds barriers when it orders the operations."""
    return jax.default_backend() != "cpu"


def _in_turn(x, gradients):
    """Both, and what is computed from `x` waits for the gradients."""
    if gradients is None:
        return x, None
    if _barriers_hold():
        return jax.lax.optimization_barrier((x, gradients))
    return _after(x, gradients), gradients


def _is_number(x) -> bool:
    return x.dtype != jax.dtypes.float0


def _is_half(x) -> bool:
    return _is_number(x) and x.dtype.itemsize == 2


def _after(values, others, waits=_is_number):
    """The same values, of which no compiler can have those that wait before it has the others."""
    # Sums, because a single entry could be computed on its own.
    sums = [jnp.sum(x.astype("float32")) for x in jax.tree.leaves(others) if _is_number(x)]
    if not sums:
        return values
    total = sum(sums)
    nothing = 0.0 * jnp.where(jnp.isfinite(total), total, 0.0)  # not known to be 0 beforehand
    return jax.tree.map(lambda x: x + nothing.astype(x.dtype) if waits(x) else x, values)


def compile_function(model, function):
    """Jits a function of tensors that reads the model's variables."""

    @jax.jit
    def run(values, *args):
        mapping = list(zip(_variables(model), values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return function(*args)

    @functools.wraps(function)
    def call(*args):
        return run([variable.value for variable in _variables(model)], *args)

    return call


def _add(gradients, more):
    return more if gradients is None else [a + b for a, b in zip(gradients, more, strict=True)]


def _variables(model):
    return [*model.trainable_variables, *model.non_trainable_variables]
