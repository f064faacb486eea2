"""Schedules against the published numbers, finite differences and their own inverses."""

import keras
import numpy as np
import pytest

from md4keras import schedules
from tests.reference import load_reference

NAMES = ("linear", "cosine", "poly0.5", "poly1", "poly2")


def array(value):
    return keras.ops.convert_to_numpy(value)


@pytest.mark.parametrize("name", NAMES)
def test_scalar_schedules_agree_with_the_published_numbers(name):
    reference = load_reference("schedules")
    schedule, t = schedules.get(name), reference["t"]
    expected = {key: reference[f"{name}/{key}"] for key in ("alpha", "dalpha", "logsnr")}
    weight = -reference[f"{name}/dgamma_times_alpha"]
    np.testing.assert_allclose(array(schedule.alpha(t)), expected["alpha"], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(array(schedule.dalpha(t)), expected["dalpha"], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(array(schedule.weight(t)), weight, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(array(schedule.log_snr(t)), expected["logsnr"], rtol=1e-4, atol=1e-3)


def test_learnable_schedule_agrees_with_the_published_numbers():
    reference = load_reference("schedules")
    schedule, t = schedules.LearnablePolynomial(7), reference["learnable_t"]
    schedule.theta.assign(reference["params/w"])
    np.testing.assert_allclose(array(schedule.power), reference["learnable/power"], rtol=1e-5)
    for name, value in {
        "alpha": schedule.alpha(t),
        "dalpha": schedule.dalpha(t),
        "dgamma_times_alpha": -schedule.weight(t),
    }.items():
        expected = reference[f"learnable/{name}"]
        np.testing.assert_allclose(array(value), expected, rtol=1e-3, atol=1e-6)
    # The published float32 log-SNR loses digits where 1 - alpha is tiny.
    expected = reference["learnable/logsnr"]
    masked = 1.0 - reference["learnable/alpha"]
    atol = np.where(masked < 1e-4, 0.05, 1e-3)
    assert (np.abs(array(schedule.log_snr(t)) - expected) <= atol + 1e-4 * np.abs(expected)).all()


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_learnable_schedule_starts_at_its_power(power):
    reference = load_reference("schedules")
    schedule = schedules.LearnablePolynomial(7, power_init=power)
    expected = reference[f"learnable/w_init_at_power_{power}"]
    np.testing.assert_allclose(array(schedule.theta), expected, rtol=1e-5)
    np.testing.assert_allclose(array(schedule.power), power, rtol=1e-6)


def test_the_log_linear_schedule_masks_nothing_at_first_and_almost_all_at_last():
    schedule, t = schedules.get("log_linear"), np.linspace(0.0, 1.0, 11).astype("float32")
    np.testing.assert_allclose(array(schedule.alpha(t)), 1 - 0.999 * t, atol=1e-6)
    assert schedule.alpha(0.0) == 1.0 and schedule.alpha(1) == pytest.approx(1e-3)
    np.testing.assert_allclose(array(schedule.weight(t[1:])), 1 / t[1:], rtol=1e-5)
    slope, masked = -array(schedule.dalpha(t[1:])), 1 - array(schedule.alpha(t[1:]))
    np.testing.assert_allclose(slope / masked, 1 / t[1:], rtol=1e-5)
    assert np.isfinite(array(schedule.weight(0.0)))
    np.testing.assert_allclose(array(schedule.inverse(schedule.alpha(t))), t, atol=1e-6)
    expected = (0.999 * 0.6 - 0.999 * 0.4) / (0.999 * 0.6)
    assert float(schedule.reveal_probability(0.4, 0.6)) == pytest.approx(expected, rel=1e-5)
    assert float(schedule.reveal_probability(0.0, 0.6)) == 1.0
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))
    assert again.get_config() == schedule.get_config() == {"eps": 1e-3}


@pytest.mark.parametrize("name", NAMES)
def test_alpha_falls_from_one_to_zero_and_has_the_stated_derivative(name):
    schedule = schedules.get(name)
    np.testing.assert_allclose(array(schedule.alpha(0.0)), 1 - 1e-4, rtol=1e-6)
    np.testing.assert_allclose(array(schedule.alpha(1.0)), 1e-4, rtol=2e-3)
    t, h = np.linspace(0.1, 0.9, 33, dtype="float32"), 1e-2
    slope = (array(schedule.alpha(t + h)) - array(schedule.alpha(t - h))) / (2 * h)
    np.testing.assert_allclose(array(schedule.dalpha(t)), slope, rtol=5e-3)
    assert (array(schedule.dalpha(t)) <= 0).all()
    assert (array(schedule.weight(t)) >= 0).all()


@pytest.mark.parametrize("name", NAMES)
def test_inverse_undoes_alpha(name):
    schedule, t = schedules.get(name), np.linspace(0.02, 0.98, 25, dtype="float32")
    np.testing.assert_allclose(array(schedule.inverse(schedule.alpha(t))), t, atol=1e-3)


def test_schedules_come_back_from_their_configuration():
    for schedule in (schedules.Linear(1e-3), schedules.Cosine(), schedules.Polynomial(0.7)):
        again = schedules.get(keras.saving.serialize_keras_object(schedule))
        assert type(again) is type(schedule)
        assert again.get_config() == schedule.get_config()


@pytest.mark.parametrize(
    "bad",
    [
        "quadratic",
        "poly-1",
        "polyx",
        3,
        None,
        {},
        {"class_name": "Linear"},
        {"exponent": 2.0},
        keras.saving.serialize_keras_object(keras.layers.Dense(3)),
        schedules.Linear,
        keras.layers.Dense(3),
    ],
    ids=str,
)
def test_an_unknown_schedule_is_named_with_the_known_ones(bad):
    with pytest.raises(ValueError, match="one of 'linear', 'cosine', 'polynomial'"):
        schedules.get(bad)


@pytest.mark.parametrize("bad", [0.5, -0.1, "a", None, float("nan")])
def test_a_bad_eps_is_refused(bad):
    for make in (schedules.Linear, lambda eps: schedules.LearnablePolynomial(3, eps=eps)):
        with pytest.raises(ValueError, match="`eps` .* in \\[0, 0.5\\).*eps="):
            make(bad)


@pytest.mark.parametrize("bad", [0.0, "2", None, float("inf")])
def test_a_bad_exponent_is_refused(bad):
    with pytest.raises(ValueError, match="`exponent` .* above 0.*exponent="):
        schedules.Polynomial(bad)
    with pytest.raises(ValueError, match="`power_init` .* above 0.*power_init="):
        schedules.LearnablePolynomial(3, power_init=bad)


def test_a_large_exponent_does_not_overflow():
    np.testing.assert_allclose(array(schedules.LearnablePolynomial(3, 1000.0).power), 1000.0)
