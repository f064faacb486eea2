"""GenMD4's objective for two given maskings, from the parts that a training step has."""

from md4keras.models.batches import Batch
from md4keras.models.training_step import Step


def surrogate(model, x, z1, z2, time):
    """The diffusion term of both maskings, and what is minimised in its place, `[B]` each."""
    terms = [model.diffusion_term(Batch(x), z, time) for z in (z1, z2)]
    mean = 0.5 * (terms[0] + terms[1])
    step = Step(Batch(x), None, time, (z1, z2))
    return mean, mean + model.masking_surrogate(step, terms)
