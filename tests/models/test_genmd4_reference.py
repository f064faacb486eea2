"""GenMD4's losses and gradients against the published implementation."""

import keras
import numpy as np
import pytest

from md4keras.conversion import from_md4
from tests.gradients import gradients_of
from tests.models.objective import surrogate
from tests.reference import array, load_reference, reference_constructor, reference_params

FILES = ["genmd4_loss_text", "genmd4_loss_image"]


def model_of(reference, params=None):
    return from_md4(reference_constructor(reference), params or reference_params(reference))


def draws_of(reference):
    names = ("x", "zt_1", "zt_2", "t")
    return [keras.ops.convert_to_tensor(reference[name]) for name in names]


@pytest.mark.parametrize("name", FILES)
def test_losses_are_the_published_ones(name):
    reference = load_reference(name)
    model = model_of(reference)
    x, z1, z2, t = draws_of(reference)
    mean, minimised = map(array, surrogate(model, x, z1, z2, t))
    diffusion = [array(model.diffusion_loss(x, z, t)) for z in (z1, z2)]
    reconstruction = array(model.reconstruction_loss(x))
    for value, key in (
        (diffusion[0], "loss_diff_1"),
        (diffusion[1], "loss_diff_2"),
        (reconstruction, "recon_loss"),
        (minimised.mean() + reconstruction.mean(), "surrogate_nats"),
        (mean.mean() + reconstruction.mean(), "nelbo_nats"),
    ):
        np.testing.assert_allclose(value, reference[key], rtol=1e-4, err_msg=key)
    # A small difference of larger terms: within 1e-4 of those.
    np.testing.assert_allclose(
        minimised - mean, reference["rloo_1"], rtol=1e-4, atol=1e-4 * np.abs(mean).max()
    )


@pytest.mark.parametrize("name", FILES)
def test_logits_and_exponents_are_the_published_ones(name):
    reference = load_reference(name)
    model = model_of(reference)
    for draw in "12":
        logits = model.predict_logits(reference[f"zt_{draw}"], reference["t"])
        np.testing.assert_allclose(array(logits), reference[f"logits_{draw}"], atol=1e-4, rtol=1e-4)
    power = array(model.schedule.power)
    for statistic, key in ((np.min, "min"), (np.mean, "avg"), (np.max, "max")):
        np.testing.assert_allclose(statistic(power), reference[f"power_{key}"], rtol=1e-5)


@pytest.mark.parametrize("name", FILES)
def test_gradients_are_the_published_ones(name):
    reference = load_reference(name)
    model = model_of(reference)
    x, z1, z2, t = draws_of(reference)
    bits = 1.0 / (np.prod(x.shape[1:]) * np.log(2.0))

    def loss(which):
        nats = surrogate(model, x, z1, z2, t)[which] + model.reconstruction_loss(x)
        return keras.ops.mean(nats) * bits

    published = {
        "params/" + key.removeprefix("grads/"): reference[key]
        for key in reference.files
        if key.startswith("grads/")
    }
    # The conversion that fills in parameters puts the gradients in their places.
    expected = [array(variable) for variable in model_of(reference, published).trainable_variables]
    gradients = gradients_of(model, lambda: loss(1))
    for variable, gradient, wanted in zip(
        model.trainable_variables, gradients, expected, strict=True
    ):
        # The key bias has no gradient in exact arithmetic.
        scale = max(np.abs(wanted).max(), 1e-4)
        np.testing.assert_allclose(
            gradient, wanted, atol=1e-3 * scale, rtol=0, err_msg=variable.path
        )
    exponents = [v is model.schedule.theta for v in model.trainable_variables].index(True)
    wanted = reference["grad_of_nelbo_wrt_w"]
    gradient = gradients_of(model, lambda: loss(0))[exponents]
    np.testing.assert_allclose(gradient, wanted, atol=1e-3 * np.abs(wanted).max(), rtol=0)
