"""TensorFlow: a training step that applies the gradients only where they are finite."""

import keras
import tensorflow as tf

COMPILES_EACH_SHAPE = True
"""Whether a function from `compile_function` is compiled anew for each shape of its tensors."""


def train_step(model, data):
    """A training step of a `models.trainer.Trainer`; returns the logs."""
    variables = model.trainable_variables
    step = model.draw_step(*keras.utils.unpack_x_y_sample_weight(data))
    loss, found, gradients = 0.0, [], [None] * len(variables)
    for part in model.parts_of(step):
        terms = []
        for zt in part.maskings:
            # One after the other, for the memory of one network call (XLA may reorder).
            with tf.control_dependencies([g for g in gradients if g is not None]):
                with tf.GradientTape() as tape:
                    objective, term = model.masking_objective(part, tf.identity(zt))
                gradients = _add_gradients(gradients, tape, objective, variables)
            loss, terms = loss + objective, [*terms, term]
        found.append(terms)
    terms = model.terms_of(step, [tf.stack(each) for each in zip(*found, strict=True)])
    with tf.GradientTape() as tape:
        objective = model.closing_objective(step, terms)
    gradients = _add_gradients(gradients, tape, objective, variables)
    gradients = [
        tf.zeros_like(v.value) if g is None else g
        for v, g in zip(variables, gradients, strict=True)
    ]
    loss = loss + objective
    norm = tf.linalg.global_norm(gradients)
    finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)

    def apply():
        model.optimizer.apply(gradients, variables)
        return True

    tf.cond(finite, apply, lambda: False)
    return model.step_logs(norm, finite)


def check_devices(model):
    """Refuses to train under a strategy, whose replicas would not share a step's times and rows."""
    count = model.distribute_strategy.num_replicas_in_sync
    if count > 1:
        raise ValueError(
            "TensorFlow trains on one device here. Expected no strategy, or one of a single "
            f"replica. Received: a {type(model.distribute_strategy).__name__} of {count}. On JAX "
            "and PyTorch several devices share a step: see docs/devices.md."
        )


def test_step(model, data):
    """A batch of an evaluation; returns the logs."""
    return model.evaluate_batch(*keras.utils.unpack_x_y_sample_weight(data))


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
    return tf.random.stateless_uniform(shape, seed) >= rate
