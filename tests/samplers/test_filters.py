"""Top-p and top-k: what is kept, how they compose, what is refused."""

import keras
import numpy as np
import pytest

from md4keras import samplers
from tests.reference import array, load_reference


@pytest.mark.parametrize("p", [0.3, 0.9, 0.98])
def test_top_p_keeps_what_the_published_one_keeps(p):
    reference = load_reference("topp_mask")
    kept = array(samplers.TopP(p)(keras.ops.convert_to_tensor(reference["logits"])))
    np.testing.assert_array_equal(kept > -1e6, reference[f"kept_p{p}"])
    np.testing.assert_allclose(kept, reference[f"masked_logits_p{p}"], rtol=1e-6)


def test_the_kept_mass_is_at_least_p_and_without_the_least_it_is_less():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(50, 200)).astype("float32")
    mu = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    kept = array(samplers.TopP(0.7)(keras.ops.convert_to_tensor(logits))) > -1e6
    mass = (mu * kept).sum(axis=-1)
    least = np.where(kept, mu, 1).min(axis=-1)
    assert (mass >= 0.7).all() and (mass - least < 0.7).all()


def test_top_p_of_one_keeps_all():
    logits = keras.ops.convert_to_tensor(np.float32([[0.0, -30.0, 3.0]]))
    np.testing.assert_array_equal(array(samplers.TopP(1.0)(logits)), array(logits))


def test_top_k_keeps_k():
    logits = np.random.default_rng(1).permuted(np.tile(np.arange(9.0), (4, 1)), axis=1)
    kept = array(samplers.TopK(3)(keras.ops.convert_to_tensor(logits.astype("float32")))) > -1e6
    np.testing.assert_array_equal(kept, logits >= 6)
    assert (array(samplers.TopK(99)(keras.ops.convert_to_tensor(logits))) > -1e6).all()


def test_filters_compose_with_every_sampler():
    logits = keras.ops.convert_to_tensor(np.float32([[[4.0, 3.0, 2.0, 1.0]]]))
    both = (samplers.TopK(3), samplers.TopP(0.9))
    for sampler in (samplers.Ancestral, samplers.Event, samplers.Confidence, samplers.Remasking):
        kept = array(sampler(filters=both).filter(logits)) > -1e6
        np.testing.assert_array_equal(kept[0, 0], [True, True, False, False])
    assert samplers.get(samplers.TopP(0.5)) == samplers.Ancestral(filters=[samplers.TopP(0.5)])
    assert samplers.get("top_k").filters == (samplers.TopK(),)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: samplers.TopP(0.0), "p=0.0"),
        (lambda: samplers.TopP(98), "p=98"),
        (lambda: samplers.TopK(0), "k=0"),
        (lambda: samplers.TopK(2.5), "k=2.5"),
        (lambda: samplers.Ancestral(filters=["top_p"]), "filters="),
        (lambda: samplers.Ancestral(filters=None), "filters=None"),
        (lambda: samplers.Ancestral(filters=samplers.TopP), r"Expected `TopP\(...\)`"),
        (lambda: samplers.Ancestral(last="best"), "last='best'"),
        (lambda: samplers.Confidence(rule="luck"), "'probability', 'margin', 'entropy'"),
        (lambda: samplers.Confidence(noise_temperature=-1), "noise_temperature=-1"),
        (lambda: samplers.Remasking(rule="loop"), "'rescaled', 'capped', 'confidence'"),
        (lambda: samplers.Remasking(eta=2.0), "eta=2.0"),
    ],
)
def test_bad_settings_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    "sampler",
    [
        samplers.Event(filters=(samplers.TopP(0.5), samplers.TopK(2)), last="argmax"),
        samplers.Confidence(rule="margin", noise_temperature=0.5),
        samplers.Remasking(rule="rescaled", eta=0.1),
    ],
)
def test_configuration_round_trip(sampler):
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(sampler))
    assert again == sampler and hash(again) == hash(sampler)
