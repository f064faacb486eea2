"""PyTorch: a training step that applies the gradients only where they are finite."""

import keras
import torch


class TrainStep:
    """`train_step` and `test_step` of a model with the parts of `models.training.Training`."""

    def train_step(self, data):
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        self.zero_grad()
        step = self.draw_step(x, y, sample_weight)
        loss, terms = 0.0, []
        for zt in step["maskings"]:
            # One after the other: memory for one network evaluation is enough.
            objective, term = self.masking_objective(step, zt)
            objective.backward()
            loss, terms = loss + objective.detach(), [*terms, term]
        objective = self.closing_objective(step, terms)
        if objective.requires_grad:
            objective.backward()
        loss = loss + objective.detach()

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


def keep_mask(seed, rate: float, shape):
    """What dropout keeps, bool: each entry with probability `1 - rate`.

    Args:
        seed: tensor `[2]`, from a `SeedGenerator`.
        rate: float in `[0, 1)`.
        shape: ints.
    """
    generator = torch.Generator(seed.device)
    first, second = seed.tolist()
    # The generator takes 32 bits: an odd factor spreads the first word over all of them.
    generator.manual_seed((first * 0x9E3779B1 + second) & 0xFFFFFFFF)
    return torch.rand(shape, generator=generator, device=seed.device) >= rate


def remat(function, through_weights: bool = False):
    """`keras.remat` as it is; `through_weights` is for JAX."""
    del through_weights
    return keras.remat(function)
