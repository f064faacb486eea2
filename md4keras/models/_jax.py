"""JAX: a pure training step that keeps the old state where the new one is not finite."""

import functools

import jax
import jax.numpy as jnp
import keras


class TrainStep:
    """`train_step` and `test_step` of a model whose `compute_loss` does all the work."""

    def train_step(self, state, data):
        trainable, non_trainable, optimizer_variables, metrics_variables = state
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)

        def loss_and_updates(trainable):
            loss, (_, *updates) = self.stateless_compute_loss(
                trainable,
                non_trainable,
                metrics_variables,
                x=x,
                y=y,
                sample_weight=sample_weight,
                training=True,
            )
            return loss, updates

        (loss, (non_trainable, metrics_variables)), gradients = jax.value_and_grad(
            loss_and_updates, has_aux=True
        )(trainable)
        norm = jnp.sqrt(sum(jnp.sum(jnp.square(g.astype("float32"))) for g in gradients))
        finite = jnp.isfinite(loss) & jnp.isfinite(norm)

        updated = self.optimizer.stateless_apply(optimizer_variables, gradients, trainable)
        trainable, optimizer_variables = jax.tree.map(
            lambda new, old: jnp.where(finite, new, old),
            tuple(map(list, updated)),
            (list(trainable), list(optimizer_variables)),
        )
        mapping = list(zip(self.metrics_variables, metrics_variables, strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            logs = self.step_logs(norm, finite)
            metrics_variables = [scope.get_current_value(v) for v in self.metrics_variables]
        return logs, (trainable, non_trainable, optimizer_variables, metrics_variables)

    def test_step(self, state, data):
        trainable, non_trainable, metrics_variables = state
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        _, state = self.stateless_compute_loss(
            trainable,
            non_trainable,
            metrics_variables,
            x=x,
            y=y,
            sample_weight=sample_weight,
            training=False,
        )
        mapping = list(zip(self.metrics_variables, state[2], strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            logs = self.evaluation_logs()
        return logs, state

    def release_shared_buffers(self):
        """Gives the averaged weights buffers of their own.

        The end of `fit` assigns them to the model, after which both hold one array; the next
        `fit` or `evaluate` donates it, and the other copy would be gone.
        """
        for average in getattr(self.optimizer, "_model_variables_moving_average", None) or ():
            if average is not None:
                average.assign(jnp.array(average.value, copy=True))


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


def _variables(model):
    return [*model.trainable_variables, *model.non_trainable_variables]
