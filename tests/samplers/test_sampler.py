"""Time grids and the registry of samplers."""

import json

import keras
import numpy as np
import pytest

from md4keras import samplers, schedules
from md4keras.samplers.remasking import Cap
from tests.reference import array, load_reference


@pytest.mark.parametrize("grid", ["uniform", "cosine"])
@pytest.mark.parametrize("num_steps", [1, 2, 7, 256])
def test_grids_agree_with_the_published_ones(grid, num_steps):
    reference = load_reference("schedules")
    t, s = samplers.make_time_grid(num_steps, grid)
    np.testing.assert_allclose(t, reference[f"grid/{grid}/{num_steps}/t"], atol=1e-6)
    np.testing.assert_allclose(s, reference[f"grid/{grid}/{num_steps}/s"], atol=1e-6)
    assert s[-1] == 0.0 and t[0] == 1.0
    np.testing.assert_array_equal(t[1:], s[:-1])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_steps": 0}, "at least 1"),
        ({"num_steps": 2.5}, "at least 1"),
        ({"num_steps": 4, "grid": "sine"}, "Expected one of 'cosine', 'uniform'"),
    ],
)
def test_bad_grids_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        samplers.make_time_grid(**arguments)


def test_an_unknown_sampler_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="Expected one of 'ancestral'"):
        samplers.get("analytic")
    sampler = samplers.Ancestral()
    assert samplers.get(sampler) is sampler


def test_an_object_that_is_no_sampler_is_refused_with_what_it_lacks():
    class Half:
        def step(self, *arguments):
            return arguments

        def check_schedule(self, schedule):
            return schedule

    with pytest.raises(ValueError, match="lacks \\['make_process', 'finish'\\]"):
        samplers.get(Half())
    with pytest.raises(ValueError, match="a class rather than an object"):
        samplers.get(samplers.Ancestral)


@pytest.mark.parametrize(
    "sampler",
    [
        samplers.Remasking(rule="confidence"),
        samplers.Remasking(rule=Cap(0.3), filters=samplers.TopP(0.5)),
        samplers.Confidence(rule="margin", noise_temperature=0.5),
        samplers.Event(filters=(samplers.TopK(3), samplers.TopP(0.9)), last="argmax"),
    ],
    ids=repr,
)
def test_a_sampler_comes_back_from_its_configuration(sampler):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(sampler)))
    assert keras.saving.deserialize_keras_object(config) == sampler


class Unhashable(Cap):
    __hash__ = None


def test_a_rule_by_name_is_the_object_of_that_name():
    """The same step from both, and one of the caller's own."""
    rng = np.random.default_rng(0)
    zt = rng.integers(0, 4, (3, 8)).astype("int32")
    logits = rng.normal(size=(3, 8, 3)).astype("float32")

    class Never:
        def masked_sigma(self, largest):
            return 0.0

        def revealed_sigma(self, largest, may_go, remembered):
            return 0.0 * largest

    def stated(sampler):
        return array(sampler.step_probabilities(logits, zt, 0.4, 0.6, schedules.Linear()))

    named, given = (stated(samplers.Remasking(rule=rule, eta=0.3)) for rule in ("capped", Cap(0.3)))
    np.testing.assert_array_equal(named, given)
    np.testing.assert_allclose(
        stated(samplers.Remasking(rule=Never())), stated(samplers.Ancestral()), atol=1e-6
    )
    with pytest.raises(ValueError, match="lacks \\['masked_sigma', 'revealed_sigma'\\]"):
        samplers.Remasking(rule=7)
    with pytest.raises(TypeError, match="unhashable"):
        samplers.Remasking(rule=Unhashable())
    with pytest.raises(ValueError, match="`eta` cannot be used"):
        Cap(1.5)
