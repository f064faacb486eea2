"""PyTorch: a training step that applies the gradients only where they are finite."""

import keras
import torch


class TrainStep:
    """`train_step` and `test_step` of a model whose `compute_loss` does all the work."""

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        self.zero_grad()
        loss = self.compute_loss(x=x, y=y, sample_weight=sample_weight, training=True)
        loss.backward()

        variables = [v for v in self.trainable_variables if v.value.grad is not None]
        gradients = [v.value.grad for v in variables]
        with torch.no_grad():
            norm = torch.linalg.vector_norm(
                torch.stack([torch.linalg.vector_norm(g.float()) for g in gradients])
            )
            finite = torch.isfinite(loss) & torch.isfinite(norm)
            if finite:
                self.optimizer.apply(gradients, variables)
            return self.step_logs(norm, finite)

    def test_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        self.compute_loss(x=x, y=y, sample_weight=sample_weight, training=False)
        return self.evaluation_logs()

    def release_shared_buffers(self):
        """Nothing to do: assigning a variable copies on PyTorch."""


def compile_function(model, function):
    """Runs the function without gradients (`torch.compile` took minutes and ran slower)."""
    del model

    def call(*args):
        with torch.no_grad():
            return function(*args)

    return call
