"""GenMD4 as a user meets it, and where it is MD4."""

import keras
import numpy as np
import pytest
from keras import ops

from md4keras import MD4, GenMD4, load_model, losses, save_model, schedules
from md4keras.models.batches import Batch
from md4keras.networks import Transformer
from md4keras.tokenizers import ByteTokenizer, CharacterTokenizer
from tests.gradients import gradients_of
from tests.models.objective import surrogate
from tests.models.weights import randomised
from tests.reference import array

VOCABULARY, LENGTH = 5, 8


def text_network(**kwargs):
    return Transformer(VOCABULARY, LENGTH, num_layers=1, num_heads=2, feature_dim=8, **kwargs)


def tokens(count=32):
    return np.random.default_rng(0).integers(0, VOCABULARY, (count, LENGTH), "int32")


def compiled(model, learning_rate=1e-2):
    model.compile(keras.optimizers.AdamW(learning_rate))
    return model


@pytest.fixture
def equal_models():
    """The same network under equal exponents and under that polynomial schedule, both exact."""
    network = randomised(text_network())
    exponent = 1.7
    general = GenMD4(network, power_init=exponent, t1=1e-6, eps=0.0)
    return general, MD4(network, schedule=schedules.Polynomial(exponent, eps=0.0))


@pytest.mark.slow
def test_equal_exponents_give_the_losses_of_md4(equal_models):
    """With eps = 0; the two classes squeeze `alpha` by it in different ways."""
    general, scalar = equal_models
    x, t = tokens(), np.linspace(0.03, 0.97, 32, dtype="float32")
    zt = np.where(np.random.default_rng(1).random(x.shape) < 0.5, VOCABULARY, x).astype("int32")
    np.testing.assert_allclose(
        array(general.diffusion_loss(x, zt, t)), array(scalar.diffusion_loss(x, zt, t)), rtol=1e-5
    )
    # MD4 begins at time 0, where nothing is masked; here it is what is masked at t1, as a guess.
    exact = LENGTH * general.t1**1.7 * np.log(VOCABULARY)
    np.testing.assert_allclose(array(general.reconstruction_loss(x)), exact, rtol=1e-4)
    # Evaluation draws the same masks at the same times.
    evaluated = [
        array(model.evaluation_loss(Batch(ops.convert_to_tensor(x)))) for model in equal_models
    ]
    np.testing.assert_allclose(*evaluated, rtol=1e-4)


def test_equal_exponents_give_the_network_the_gradient_of_md4(equal_models):
    general, scalar = equal_models
    x, t = tokens(), ops.convert_to_tensor(np.linspace(0.03, 0.97, 32, dtype="float32"))
    rng = np.random.default_rng(1)
    draws = [np.where(rng.random(x.shape) < 0.5, VOCABULARY, x).astype("int32") for _ in "12"]
    x, z1, z2 = map(ops.convert_to_tensor, (x, *draws))
    ours = gradients_of(general, lambda: ops.mean(surrogate(general, x, z1, z2, t)[1]))
    theirs = gradients_of(
        scalar,
        lambda: ops.mean(scalar.diffusion_loss(x, z1, t) + scalar.diffusion_loss(x, z2, t)) / 2,
    )
    ours = {v.path: g for v, g in zip(general.trainable_variables, ours, strict=True)}
    assert np.abs(ours.pop(general.schedule.theta.path)).max() > 0
    for variable, wanted in zip(scalar.trainable_variables, theirs, strict=True):
        scale = max(np.abs(wanted).max(), 1e-4)
        np.testing.assert_allclose(ours.pop(variable.path), wanted, atol=1e-4 * scale)
    assert not ours


def test_fit_logs_the_bound_and_the_exponents():
    model = compiled(GenMD4(text_network(), power_init=1.3, seed=0), learning_rate=0.0)
    logs = model.fit(tokens(), epochs=2, batch_size=16, verbose=0).history
    assert set(logs) == {
        *("loss", "bits_per_dim", "perplexity", "diffusion_loss", "reconstruction_loss"),
        *("grad_norm", "skipped_steps", "power_min", "power_mean", "power_max"),
    }
    for name in ("power_min", "power_mean", "power_max"):
        np.testing.assert_allclose(logs[name], 1.3, rtol=1e-5)
    total = np.add(logs["diffusion_loss"], logs["reconstruction_loss"])
    np.testing.assert_allclose(logs["loss"], total, rtol=1e-5)
    assert min(logs["grad_norm"]) > 0 and max(logs["skipped_steps"]) == 0


def test_the_exponents_are_learned_and_come_back(tmp_path):
    model = compiled(GenMD4(text_network(), t1=0.01, eps=1e-3, time_sampling="independent"))
    x = np.minimum(tokens(256), 3)  # the last value never occurs, the one before it twice as often
    logs = model.fit(x, epochs=2, batch_size=32, verbose=0).history
    assert logs["power_min"][-1] < logs["power_mean"][-1] < logs["power_max"][-1]
    again = load_model(save_model(model, tmp_path / "model"))
    assert type(again) is GenMD4 and again.get_config() == model.get_config()
    np.testing.assert_array_equal(array(again.schedule.power), array(model.schedule.power))
    compiled(again)
    settings = {"batch_size": 64, "verbose": 0, "return_dict": True, "num_passes": 2}
    evaluated = [m.evaluate(x, **settings) for m in (model, again)]
    assert evaluated[0] == evaluated[1]
    assert set(evaluated[0]) == {
        *("loss", "bits_per_dim", "perplexity", "diffusion_loss", "reconstruction_loss")
    }


@pytest.mark.slow
def test_training_with_labels_is_reproducible():
    x, labels = tokens(8), np.arange(8, dtype="int32") % 3
    runs = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        model = compiled(GenMD4(text_network(num_classes=3, dropout=0.1)))
        runs.append(model.fit(x, labels, epochs=2, verbose=0).history["loss"])
    assert runs[0] == runs[1] and np.isfinite(runs[0]).all()


def test_the_gradient_of_a_certain_masking_is_finite():
    """Without eps, nothing is clean at time 1, and its log-probability is not to be taken."""
    schedule = schedules.LearnablePolynomial(VOCABULARY, eps=0.0)
    x = ops.convert_to_tensor(tokens(2))
    masked = ops.full_like(x, VOCABULARY)
    (gradient,) = gradients_of(
        schedule, lambda: ops.sum(losses.genmd4_log_masking(x, masked, 1.0, schedule))
    )
    np.testing.assert_array_equal(gradient, 0.0)


def test_the_report_names_tokens_from_the_first_masked_to_the_last():
    model = GenMD4(text_network())
    model.schedule.theta.assign([0.0, 3.0, -1.0, 1.0, 2.0])
    report = model.power_by_token()
    assert list(report) == [2, 0, 3, 4, 1]
    np.testing.assert_allclose(report[0], np.log(2.0), rtol=1e-6)
    model.tokenizer = CharacterTokenizer("abcde")
    assert list(model.power_by_token()) == ["c", "a", "d", "e", "b"]


def test_bytes_that_form_no_character_are_reported_by_their_number():
    model = GenMD4(Transformer(256, 4, num_layers=1, num_heads=1, feature_dim=8))
    model.tokenizer = ByteTokenizer()
    report = model.power_by_token()
    assert len(report) == 256 and "a" in report and 200 in report


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"power_init": 0.0}, "above 0.*power_init=0.0"),
        ({"power_init": float("inf")}, "power_init=inf"),
        ({"t1": 0.0}, "in \\(0, 1\\).*t1=0.0"),
        ({"t1": 1.0}, "t1=1.0"),
        ({"eps": 0.5}, "in \\[0, 0.5\\).*eps=0.5"),
        ({"time_sampling": "sobol"}, "time_sampling='sobol'"),
    ],
    ids=str,
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        GenMD4(text_network(), **arguments)


def test_a_schedule_starts_at_any_power():
    for power in (1e-4, 800.0):
        schedule = schedules.LearnablePolynomial(2, power_init=power)
        np.testing.assert_allclose(array(schedule.power), power, rtol=1e-4)
