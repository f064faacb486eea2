"""Losses, gradients and reverse steps against the published implementation."""

import json

import keras
import numpy as np
import pytest

from md4keras import samplers
from md4keras.conversion import from_md4
from tests.gradients import gradients_of
from tests.reference import array, load_reference, reference_constructor, reference_params

LOSSES = ["md4_loss_text", "md4_loss_text_none", "md4_loss_image", "md4_loss_image_class"]


def variants(reference):
    return json.loads(str(reference["config"]))["variants"]


def model_of(reference, variant):
    changes = {k: variant[k] for k in ("noise_schedule_type", "cont_time", "timesteps")}
    return from_md4({**reference_constructor(reference), **changes}, reference_params(reference))


def rounding(model, variant, time):
    """What float32 leaves open in a discrete-time loss, relative to it, `[B]`.

    Both sides subtract two `alpha` near 1 that are `1/T` apart in time, each known to `2**-24`.
    (The published poly0.5 at T = 1000 is 1.07e-4 off its own formula in float64, and processors
    differ in the last bit of a power.)
    """
    if variant["cont_time"]:
        return 0.0
    t, schedule = time.astype("float64"), model.schedule
    fractions = {"Linear": lambda t: 1 - t, "Cosine": lambda t: 1 - np.cos(np.pi / 2 * (1 - t))}
    clean = fractions.get(type(schedule).__name__) or (lambda t: 1 - t**schedule.exponent)
    difference = (1 - 2 * schedule.eps) * (clean(t - 1 / variant["timesteps"]) - clean(t))
    return 4 * 2.0**-24 / difference


@pytest.mark.parametrize("name", LOSSES)
def test_every_schedule_and_time_has_the_published_losses(name):
    reference = load_reference(name)
    labels = reference["labels"] if "labels" in reference else None
    x, zt = reference["x"], reference["zt"]
    for variant in variants(reference):
        model, key = model_of(reference, variant), variant["name"]
        time = reference[f"{key}/t_used"]
        diffusion = array(model.diffusion_loss(x, zt, time, labels))
        published = reference[f"{key}/loss_diff"]
        allowed = 1e-4 + rounding(model, variant, time)
        assert (np.abs(diffusion - published) <= allowed * published).all()
        reconstruction = array(model.reconstruction_loss(x))
        assert reconstruction.shape == (len(x),)
        np.testing.assert_allclose(reconstruction, reference[f"{key}/recon_loss"], rtol=1e-4)
        total = diffusion.mean() + reconstruction.mean()
        assert abs(total / reference[f"{key}/total_nats"] - 1) <= np.max(allowed)


@pytest.mark.parametrize("name", ["md4_grad_text", "md4_grad_image"])
def test_gradients_are_the_published_ones(name):
    reference = load_reference(name)
    for variant in variants(reference):
        model, key = model_of(reference, variant), variant["name"]
        x, time = reference["x"], reference[f"{key}/t_used"]
        bits = 1.0 / (np.prod(x.shape[1:]) * np.log(2.0))

        def loss(model=model, x=x, time=time, bits=bits):
            nats = model.diffusion_loss(x, reference["zt"], time)
            return keras.ops.mean(nats + model.reconstruction_loss(x)) * bits

        gradients = gradients_of(model, loss)
        prefix = f"{key}/grads/"
        published = {
            "params/" + name.removeprefix(prefix): reference[name]
            for name in reference.files
            if name.startswith(prefix)
        }
        # The same conversion that fills in parameters puts the gradients in their places.
        expected = model_of_gradients(reference, variant, published)
        for variable, gradient, wanted in zip(
            model.trainable_variables, gradients, expected, strict=True
        ):
            # The key bias has no gradient in exact arithmetic.
            scale = max(np.abs(wanted).max(), 1e-4)
            np.testing.assert_allclose(
                gradient, wanted, atol=1e-3 * scale, rtol=0, err_msg=variable.path
            )


def model_of_gradients(reference, variant, published):
    changes = {k: variant[k] for k in ("noise_schedule_type", "cont_time", "timesteps")}
    holder = from_md4({**reference_constructor(reference), **changes}, published)
    return [array(variable) for variable in holder.trainable_variables]


def reverse_steps(name):
    """For each variant: its key, the model, times `t` and `s` of the step, and the logits."""
    reference = load_reference(name)
    params = reference_params(reference)
    for variant in variants(reference):
        schedule = {"noise_schedule_type": variant["noise_schedule_type"]}
        model = from_md4({**reference_constructor(reference), **schedule}, params)
        t, s = samplers.make_time_grid(variant["timesteps"], variant["sampling_grid"])
        t, s, key = t[variant["i"]], s[variant["i"]], variant["name"]
        np.testing.assert_allclose(t, reference[f"{key}/t"], atol=1e-6)
        np.testing.assert_allclose(s, reference[f"{key}/s"], atol=1e-6)
        yield reference, variant, model, (s, t), model.predict_logits(reference["zt"], t)


@pytest.mark.parametrize(
    "name", ["sampling_ancestral_text", "sampling_ancestral_image", "sampling_topp_text"]
)
def test_reverse_steps_have_the_published_distributions(name):
    for reference, variant, model, times, logits in reverse_steps(name):
        filters = (samplers.TopP(variant["topp"]),) if variant["sampler"] == "topp" else ()
        sampler, zt = samplers.Ancestral(filters=filters), reference["zt"]
        probabilities = array(sampler.step_probabilities(logits, zt, *times, model.schedule))
        masked = zt == model.mask_token
        published = reference[f"{variant['name']}/probs"]
        np.testing.assert_allclose(probabilities[masked], published[masked], atol=1e-4, rtol=1e-4)
        # Revealed positions keep their tokens.
        kept = probabilities[~masked]
        np.testing.assert_array_equal(kept.argmax(-1), zt[~masked])
        np.testing.assert_array_equal(kept.max(-1), 1.0)
        np.testing.assert_allclose(probabilities.sum(-1), 1.0, atol=1e-5)


def test_the_mean_sampler_is_the_published_one():
    """Published: draw `z0` from `mu` everywhere, and reveal it with one probability."""
    for reference, variant, model, times, logits in reverse_steps("sampling_mean_text"):
        zt, key = reference["zt"], variant["name"]
        sampler = samplers.get("mean")
        probabilities = array(sampler.step_probabilities(logits, zt, *times, model.schedule))
        expected = reference[f"{key}/unmask_prob"] * reference[f"{key}/z0_probs"]
        masked = zt == model.mask_token
        np.testing.assert_allclose(probabilities[masked][:, :-1], expected[masked], atol=1e-4)


@pytest.mark.parametrize("name", ["sampling_ancestral_text", "sampling_ancestral_image"])
def test_decoding_by_argmax_is_the_published_one(name):
    reference = load_reference(name)
    model = from_md4(reference_constructor(reference), reference_params(reference))
    z0 = reference["decode_z0"]
    logits = model.predict_logits(z0, 0.0)
    np.testing.assert_allclose(array(logits), reference["decode_logits"], atol=1e-4, rtol=1e-4)
    noise = (np.zeros(z0.shape, "float32"),) * 2
    tokens = samplers.Ancestral(last="argmax").finish(logits, z0, noise)
    np.testing.assert_array_equal(array(tokens), reference["decode_tokens"])
