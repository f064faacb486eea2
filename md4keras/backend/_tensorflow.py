"""TensorFlow: a training step that applies the gradients only where they are finite.

The replicas of a `tf.distribute.MirroredStrategy` share a step: all know its batch, which the rows
that each was given make together, and draw the same times and masks for it; each takes its part of
the rows through the network, and the gradients add up.
"""

import keras
import tensorflow as tf

COMPILES_EACH_SHAPE = True
"""Whether a function from `compile_function` is compiled anew for each shape of its tensors."""


def train_step(model, data):
    """A training step of a `models.trainer.Trainer`; returns the logs."""
    variables = model.trainable_variables
    count, number = replicas()
    batch = keras.utils.unpack_x_y_sample_weight(data)
    step = model.draw_step(*keras.tree.map_structure(_rows_of_all, batch))
    loss, found, gradients = 0.0, [], [None] * len(variables)
    for part in model.parts_of(step, count)[number::count]:
        terms = []
        for zt in part.maskings:
            # One after the other, for the memory of one network call (XLA may reorder).
            with tf.control_dependencies([g for g in gradients if g is not None]):
                with tf.GradientTape() as tape:
                    objective, term = model.masking_objective(part, tf.identity(zt))
                gradients = _add_gradients(gradients, tape, objective, variables)
            loss, terms = loss + objective, [*terms, term]
        found.append(terms)
    terms = [parts_of_all(tf.stack(each)) for each in zip(*found, strict=True)]
    loss, gradients = _sums_of_all((loss, gradients))
    # All replicas have the terms of all rows: what follows is the same in each.
    with tf.GradientTape() as tape:
        objective = model.closing_objective(step, model.terms_of(step, terms))
    gradients = _add_gradients(gradients, tape, objective, variables)
    gradients = [
        tf.zeros_like(v.value) if g is None else g
        for v, g in zip(variables, gradients, strict=True)
    ]
    loss = loss + objective
    norm = tf.linalg.global_norm(gradients)
    finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)

    _apply_where(finite, model.optimizer, gradients, variables)
    return model.step_logs(norm, finite)


def check_devices(model):
    """Raises a `ValueError` under a strategy whose replicas cannot share a step."""
    strategy = model.distribute_strategy
    if strategy.num_replicas_in_sync == 1:
        return
    if type(strategy) is not tf.distribute.MirroredStrategy:
        raise ValueError(
            "TensorFlow trains on the devices of one machine. Expected a tf.distribute."
            f"MirroredStrategy, or none. Received: a {type(strategy).__name__} of "
            f"{strategy.num_replicas_in_sync} replicas. On JAX and PyTorch several machines share "
            "a step: see docs/devices.md."
        )
    accumulated = getattr(model.optimizer, "gradient_accumulation_steps", None)
    if accumulated:
        raise ValueError(
            "Keras's accumulation of gradients does not work under a tf.distribute strategy. "
            f"Expected none. Received: gradient_accumulation_steps={accumulated}. Call `compile("
            f"optimizer, micro_batches={accumulated})` and give batches of all their rows."
        )


def jit_compile(model):
    """What Keras's `compile` takes: XLA knows no replicas."""
    return "auto" if model.distribute_strategy.num_replicas_in_sync == 1 else False


def test_step(model, data):
    """A batch of an evaluation; returns the logs."""
    batch = keras.utils.unpack_x_y_sample_weight(data)
    return model.evaluate_batch(*keras.tree.map_structure(_rows_of_all, batch))


def replicas() -> tuple[int, int]:
    """How many replicas share this step, and the number of this one."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return 1, 0
    return context.num_replicas_in_sync, int(tf.get_static_value(context.replica_id_in_sync_group))


def parts_of_all(parts):
    """The parts `[n, rows]` of all replicas in turn, `[n replicas, rows]`."""
    count, _ = replicas()
    if count == 1:
        return parts
    shape, rank = tf.shape(parts), parts.shape.rank
    found = tf.reshape(_gathered(parts), tf.concat([[count, -1], shape[1:]], axis=0))
    found = tf.transpose(found, (1, 0, *range(2, rank + 1)))
    return tf.reshape(found, tf.concat([[-1], shape[1:]], axis=0))


def _rows_of_all(rows):
    """The rows `[B, ...]` of all replicas, one after another, of any number each."""
    if rows is None or replicas()[0] == 1:
        return rows
    return _gathered(tf.convert_to_tensor(rows))


def _gathered(rows):
    def merged(strategy, rows):
        return tf.concat(strategy.experimental_local_results(rows), axis=0)

    return tf.distribute.get_replica_context().merge_call(merged, args=(rows,))


def _sums_of_all(tree):
    """The sums over the replicas of tensors and `None`s."""
    if replicas()[0] == 1:
        return tree
    found = [x for x in tf.nest.flatten(tree) if x is not None]
    context = tf.distribute.get_replica_context()
    sums = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, found))
    return keras.tree.map_structure(lambda x: None if x is None else next(sums), tree)


def _apply_where(finite, optimizer, gradients, variables) -> None:
    """Applies the gradients, which all replicas have alike, if they are finite."""

    def apply(*gradients):
        optimizer.apply(gradients, variables)
        return True

    if replicas()[0] == 1:
        tf.cond(finite, lambda: apply(*gradients), lambda: False)
        return

    def merged(strategy, finite, *gradients):
        (finite, *_) = strategy.experimental_local_results(finite)
        tf.cond(finite, lambda: strategy.run(apply, gradients), lambda: False)

    optimizer._all_reduce_sum_gradients = list  # they are summed, as clipping wants them
    tf.distribute.get_replica_context().merge_call(merged, args=(finite, *gradients))


def _add_gradients(gradients, tape, loss, variables) -> list:
    """The sums with the gradients of the loss; `None` where a variable has none yet."""
    further = tape.gradient(loss, [v.value for v in variables])
    sums = []
    for total, more in zip(gradients, further, strict=True):
        more = None if more is None else tf.convert_to_tensor(more)  # embeddings' are sparse
        sums.append(total if more is None else more if total is None else total + more)
    return sums


def compile_function(model, function):
    """Compiles a function of tensors that reads the model's variables, with XLA."""
    del model  # variables are captured by reference
    return tf.function(function, jit_compile=True, autograph=False)


def keep_mask(seed, rate: float, shape):
    """What dropout keeps; the shape may have scalar tensors."""
    _, number = replicas()
    if number:  # replicas that share a step have rows of their own, and the same seed
        seed = seed + tf.constant([number * 0x45D9F3B, 0], seed.dtype)
    return tf.random.stateless_uniform(shape, seed) >= rate
