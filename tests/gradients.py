"""Gradients of a loss with respect to a model's weights, on whichever backend runs."""

import keras


def gradients_of(model, loss, *args) -> list:
    """NumPy gradients of the scalar `loss(*args)` for each trainable variable.

    With arguments, arrays, in one program on JAX, which then compiles no operation on its own.
    """
    variables = model.trainable_variables
    if keras.backend.backend() == "jax":
        import jax

        def pure(values, *args):
            with keras.StatelessScope(state_mapping=list(zip(variables, values, strict=True))):
                return loss(*args)

        gradient = jax.jit(jax.grad(pure)) if args else jax.grad(pure)
        gradients = gradient([variable.value for variable in variables], *args)
    elif keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            value = loss(*args)
        gradients = tape.gradient(
            value,
            [variable.value for variable in variables],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
    else:
        import torch

        gradients = torch.autograd.grad(
            loss(*args), [variable.value for variable in variables], allow_unused=True
        )
        gradients = [
            torch.zeros_like(variable.value) if gradient is None else gradient
            for variable, gradient in zip(variables, gradients, strict=True)
        ]
    return [keras.ops.convert_to_numpy(gradient) for gradient in gradients]
