"""PyTorch: a training step that applies the gradients only where they are finite."""

import keras
import torch

COMPILES_EACH_SHAPE = False
"""Whether a function from `compile_function` is compiled anew for each shape of its tensors."""


def train_step(model, data):
    """A training step of a `models.trainer.Trainer`; returns the logs."""
    model.zero_grad()
    step = model.draw_step(*keras.utils.unpack_x_y_sample_weight(data))
    loss, found = 0.0, []
    for part in model.parts_of(step):
        terms = []
        for zt in part.maskings:
            # One after the other: memory for one network call is enough.
            objective, term = model.masking_objective(part, zt)
            objective.backward()
            loss, terms = loss + objective.detach(), [*terms, term]
        found.append(terms)
    terms = model.terms_of(step, [torch.stack(each) for each in zip(*found, strict=True)])
    objective = model.closing_objective(step, terms)
    if objective.requires_grad:
        objective.backward()
    loss = loss + objective.detach()

    variables = [v for v in model.trainable_variables if v.value.grad is not None]
    gradients = [v.value.grad for v in variables]
    with torch.no_grad():
        norm = torch.linalg.vector_norm(
            torch.stack([torch.linalg.vector_norm(g.float()) for g in gradients])
        )
        finite = torch.isfinite(loss) & torch.isfinite(norm)
        if finite:
            model.optimizer.apply(gradients, variables)
        return model.step_logs(norm, finite)


def test_step(model, data):
    """A batch of an evaluation; returns the logs."""
    return model.evaluate_batch(*keras.utils.unpack_x_y_sample_weight(data))


def compile_function(model, function):
    """Runs the function without gradients (`torch.compile` took minutes and ran slower)."""
    del model

    def call(*args):
        with torch.no_grad():
            return function(*args)

    return call


def keep_mask(seed, rate: float, shape):
    """What dropout keeps."""
    generator = torch.Generator(seed.device)
    first, second = seed.tolist()
    # The generator takes 32 bits: an odd factor spreads the first word over all of them.
    generator.manual_seed((first * 0x9E3779B1 + second) & 0xFFFFFFFF)
    return torch.rand(shape, generator=generator, device=seed.device) >= rate
