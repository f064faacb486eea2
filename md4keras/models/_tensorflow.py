"""TensorFlow: a training step that applies the gradients only where they are finite."""

import keras
import tensorflow as tf


class TrainStep:
    """`train_step` and `test_step` of a model whose `compute_loss` does all the work."""

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        variables = self.trainable_variables
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x=x, y=y, sample_weight=sample_weight, training=True)
        gradients = tape.gradient(
            loss, [v.value for v in variables], unconnected_gradients=tf.UnconnectedGradients.ZERO
        )
        norm = tf.linalg.global_norm(gradients)
        finite = tf.math.is_finite(loss) & tf.math.is_finite(norm)

        def apply():
            self.optimizer.apply(gradients, variables)
            return True

        tf.cond(finite, apply, lambda: False)
        return self.step_logs(norm, finite)

    def test_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        self.compute_loss(x=x, y=y, sample_weight=sample_weight, training=False)
        return self.evaluation_logs()

    def release_shared_buffers(self):
        """Nothing to do: TensorFlow's variables own their buffers."""


def compile_function(model, function):
    """Compiles a function of tensors that reads the model's variables, with XLA."""
    del model  # variables are captured by reference
    return tf.function(function, jit_compile=True, autograph=False)
