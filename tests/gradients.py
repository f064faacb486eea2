"""Gradients of a loss with respect to a model's weights, on whichever backend runs."""

import keras


def gradients_of(model, loss) -> list:
    """NumPy gradients of the scalar `loss()` for each trainable variable."""
    variables = model.trainable_variables
    if keras.backend.backend() == "jax":
        import jax

        def pure(values):
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return loss()

        gradients = jax.grad(pure)([variable.value for variable in variables])
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss()
        gradients = tape.gradient(
            value,
            [variable.value for variable in variables],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
    else:
        import torch

        gradients = torch.autograd.grad(
            loss(), [variable.value for variable in variables], allow_unused=True
        )
        gradients = [
            torch.zeros_like(variable.value) if gradient is None else gradient
            for variable, gradient in zip(variables, gradients, strict=True)
        ]
    return [keras.ops.convert_to_numpy(gradient) for gradient in gradients]
