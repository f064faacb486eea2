"""`fit`, `evaluate`, `predict_logits`, `generate`: what a user does, and does wrong."""

import keras
import numpy as np
import pytest

from md4keras import MD4
from md4keras.networks import Transformer, UNet
from tests.models.weights import randomised
from tests.reference import array

VOCABULARY = 5


def text_model(**kwargs):
    network = Transformer(
        VOCABULARY, 8, num_layers=1, num_heads=2, feature_dim=8, **kwargs.pop("network", {})
    )
    return MD4(network, **kwargs)


def image_model(shape=(4, 3, 1), **kwargs):
    network = UNet(VOCABULARY, shape, num_layers=0, feature_dim=64, **kwargs)
    return MD4(network)


def tokens(count=32, shape=(8,), seed=0):
    return np.random.default_rng(seed).integers(0, VOCABULARY, (count, *shape), "int32")


def compiled(model, **kwargs):
    model.compile(keras.optimizers.AdamW(1e-2, **kwargs))
    return model


def test_fit_logs_losses_bits_and_gradient_norm():
    history = compiled(text_model(seed=0)).fit(tokens(), epochs=3, batch_size=16, verbose=0)
    logs = history.history
    assert set(logs) == {
        *("loss", "bits_per_dim", "perplexity", "diffusion_loss", "reconstruction_loss"),
        *("grad_norm", "skipped_steps"),
    }
    np.testing.assert_allclose(logs["bits_per_dim"], np.array(logs["loss"]) / np.log(2), rtol=1e-5)
    total = np.add(logs["diffusion_loss"], logs["reconstruction_loss"])
    np.testing.assert_allclose(logs["loss"], total, rtol=1e-5)
    assert min(logs["grad_norm"]) > 0 and max(logs["skipped_steps"]) == 0


@pytest.mark.parametrize("batch_size", [1, 49, 98])
def test_odd_batch_sizes_train(batch_size):
    x = tokens(98) if batch_size > 1 else tokens(3)
    logs = compiled(text_model()).fit(x, batch_size=batch_size, verbose=0).history
    assert np.isfinite(logs["loss"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("shape", [(4, 3, 1), (3, 5, 2)])
def test_images_that_are_not_square_or_have_few_channels(shape):
    model = compiled(image_model(shape, num_classes=3))
    labels = np.array([0, 1, 2, 0], "int32")
    model.fit(tokens(4, shape), labels, verbose=0)
    samples = model.generate(2, labels=[1, 2], num_steps=3)
    assert samples.shape == (2, *shape) and samples.max() < VOCABULARY


@pytest.mark.slow
def test_text_of_another_length_than_in_training():
    model = compiled(text_model())
    model.fit(tokens(8, (13,)), verbose=0)
    assert len(model.evaluate(tokens(8, (5,)), verbose=0, num_passes=1)) == 5
    assert array(model.predict_logits(tokens(2, (11,)), 0.5)).shape == (2, 11, VOCABULARY)
    assert model.generate(2, num_steps=2, data_shape=(20,)).shape == (2, 20)


def test_labels_arrive_as_y_or_in_a_dictionary():
    x, y = tokens(12), np.arange(12, dtype="int32") % 3
    losses = []
    for data in ((x, y), ({"tokens": x, "label": y}, None)):
        keras.utils.set_random_seed(1)
        model = compiled(text_model(network={"num_classes": 3}))
        losses.append(model.fit(*data, verbose=0, shuffle=False).history["loss"])
    assert losses[0] == losses[1]


def test_two_runs_under_one_seed_have_identical_losses():
    runs = []
    for _ in range(2):
        keras.utils.set_random_seed(4)
        model = compiled(text_model(network={"dropout": 0.2}), use_ema=True)
        runs.append(model.fit(tokens(), epochs=2, batch_size=8, verbose=0).history["loss"])
    assert runs[0] == runs[1]


def test_averaged_weights_survive_evaluation_and_a_second_fit():
    """On JAX the end of `fit` leaves averages and weights in one buffer, which is then donated."""
    model = compiled(text_model(), use_ema=True, ema_momentum=0.9)
    model.fit(tokens(), verbose=0)
    model.evaluate(tokens(), verbose=0, num_passes=1)
    model.fit(tokens(), verbose=0)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    averages = model.optimizer._model_variables_moving_average
    for variable, average in zip(model.trainable_variables, averages, strict=True):
        np.testing.assert_array_equal(array(variable), array(average))


def test_a_step_that_is_not_finite_is_skipped_and_counted():
    model = compiled(text_model(), use_ema=True)
    model.fit(tokens(16), batch_size=8, verbose=0)
    weights = model.network.get_weights()
    broken = [weight.copy() for weight in weights]
    broken[-1][:] = np.nan
    model.network.set_weights(broken)
    steps = int(array(model.optimizer.iterations))
    before = [array(v).copy() for v in model.optimizer.variables]
    with pytest.warns(UserWarning, match="2 training steps were skipped"):
        logs = model.fit(tokens(16), batch_size=8, verbose=0).history
    assert logs["skipped_steps"] == [2.0]
    assert int(array(model.optimizer.iterations)) == steps
    for old, variable in zip(before, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(old, array(variable))

    model.network.set_weights(broken)  # the end of `fit` took the averages
    model.max_skipped_steps = 3  # in a row, over epochs too
    with pytest.raises(ValueError, match="fewer than 3. Received: 3 skipped steps"):
        model.fit(tokens(16), batch_size=8, epochs=2, verbose=0)
    for old, variable in zip(before, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(old, array(variable))


def test_training_learns_a_constant_text():
    x = np.full((64, 8), 3, "int32")
    model = compiled(text_model(network={"time_features": "none"}))
    model.fit(np.tile(x, (30, 1)), batch_size=16, verbose=0)
    logs = model.evaluate(x, verbose=0, return_dict=True, num_passes=8)
    assert logs["bits_per_dim"] < 0.05 * np.log2(5)
    assert (model.generate(4, num_steps=8, seed=1) == 3).all()


class MasksTell(keras.layers.Layer):
    """A network whose cross-entropy rises with the part that is masked."""

    def __init__(self, count):
        super().__init__(autocast=False)
        self.vocabulary_size, self.data_shape = 2, (count,)
        self.num_classes, self.time_conditioned = None, False
        self.built = True

    def call(self, inputs, training=None):
        masked = keras.ops.cast(keras.ops.equal(inputs["tokens"], 2), "float32")
        logit = 3.0 - 3.0 * keras.ops.mean(masked, axis=-1, keepdims=True) + 0.0 * masked
        return keras.ops.stack([logit, keras.ops.zeros_like(logit)], axis=-1)


@pytest.mark.parametrize("timesteps", [None, 1000])
def test_evaluate_does_not_depend_on_the_batch_size(timesteps):
    """One pass over 600 examples is enough, even one at a time; and other seeds agree to 1 %."""
    model = compiled(MD4(MasksTell(64), timesteps=timesteps))
    x = np.zeros((600, 64), "int32")
    results = [
        model.evaluate(x, batch_size=size, num_passes=1, seed=seed, verbose=0)[0]
        for seed, size in enumerate((1, 1, 7, 49, 64, 98, 600))
    ]
    masked = np.arange(1, 65) / 64
    exact = np.log1p(np.exp(3 * masked - 3)).mean() + 1e-4 * np.log(2)
    if timesteps is None:
        np.testing.assert_allclose(results, exact, rtol=0.01)
    else:  # numbers of masks are random there
        np.testing.assert_allclose(results, exact, rtol=0.03)


def test_sample_weights_select_examples():
    x = np.concatenate([np.zeros((16, 8)), np.ones((16, 8))]).astype("int32")
    labels, weight = np.zeros(32, "int32"), np.repeat([1.0, 0.0], 16).astype("float32")
    model = compiled(text_model(network={"time_features": "none", "num_classes": 1}))
    many = [np.concatenate([part] * 80) for part in (x, labels, weight)]
    model.fit(*many[:2], sample_weight=many[2], batch_size=32, verbose=0)
    parts = ((x[:16], labels[:16]), (x[16:], labels[16:]))
    kept, dropped = (model.evaluate(*part, verbose=0, num_passes=8)[0] for part in parts)
    assert kept < 0.2 and dropped > 2 * kept
    with pytest.raises(ValueError, match="Sample weights without labels"):
        compiled(text_model()).fit(x, sample_weight=weight)


def test_drivers_batches_and_trajectories_agree_token_for_token():
    model = randomised(text_model())
    together = model.generate(5, num_steps=6, seed=7)
    states = np.stack([state.tokens for state in model.sample_steps(5, num_steps=6, seed=7)])
    np.testing.assert_array_equal(model.generate(1, num_steps=6, seed=7), together[:1])
    assert not np.array_equal(model.generate(5, num_steps=6, seed=8), together)
    assert states.shape == (7, 5, 8)
    assert (states[0] == VOCABULARY).all() and (states[-1] == together).all()
    for earlier, later in zip(states[:-1], states[1:], strict=True):
        revealed = earlier != VOCABULARY
        np.testing.assert_array_equal(later[revealed], earlier[revealed])


def test_every_backend_draws_the_same_tokens():
    """Drawn once under JAX from these weights; backends differ by rounding alone."""
    model = randomised(text_model())
    expected = [[2, 2, 3, 3, 4, 2, 2, 3], [3, 2, 3, 2, 2, 4, 2, 2]]
    np.testing.assert_array_equal(model.generate(2, num_steps=6, seed=7), expected)


def test_infilling_keeps_what_is_given_in_every_row():
    model = randomised(text_model())
    x = tokens(6)
    mask = np.random.default_rng(3).random(x.shape) < 0.4
    mask[:, 0] = True
    filled = model.infill(x, mask, num_steps=4, seed=2)
    first, *_, last = model.infill_steps(x, mask, num_steps=4, seed=2)
    np.testing.assert_array_equal(filled[~mask], x[~mask])
    assert filled.max() < VOCABULARY and (first.tokens == VOCABULARY).sum() == mask.sum()
    np.testing.assert_array_equal(filled, last.tokens)
    garbage = np.where(mask, 99, x)  # what stands under the mask is not read
    np.testing.assert_array_equal(filled, model.infill(garbage, mask, num_steps=4, seed=2))


def test_time_keeps_its_digits_under_bfloat16():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = randomised(text_model())
    finally:
        keras.config.set_dtype_policy("float32")
    zt = np.full((1, 8), VOCABULARY, "int32")
    near, end = (array(model.predict_logits(zt, time)) for time in (0.999, 1.0))
    assert near.dtype == np.float32 and np.abs(near - end).max() > 1e-3
    inputs = {"tokens": zt, "time": np.array([0.999], "float32")}
    np.testing.assert_allclose(array(model(inputs)), near, atol=1e-2)


def test_evaluating_at_discrete_times():
    model = compiled(text_model(timesteps=10, time_sampling="independent"))
    model.fit(tokens(), verbose=0)
    settings = {"verbose": 0, "seed": 0, "num_passes": 2}
    first, second = (model.evaluate(tokens(), **settings)[0] for _ in range(2))
    assert first == second


def test_configuration_round_trip():
    model = text_model(schedule="poly0.5", timesteps=7, time_sampling="independent", seed=3)
    again = MD4.from_config(model.get_config())
    assert again.get_config() == model.get_config()


class OnlyAlpha:
    per_token = False

    def alpha(self, t):
        return 1.0 - t


def bad_calls():
    model, labelled = text_model(), text_model(network={"num_classes": 3})
    compiled(model)
    compiled(labelled)
    x = tokens(4)
    return {
        "integer values .* in \\[0, 5\\).*from 0 to 7": lambda: model.fit(x % 2 * 7),
        "Expected integer values.*float64": lambda: model.fit(x / 2.0),
        "wrong shape. Expected \\[B, length\\]": lambda: model.fit(x[..., None]),
        "without classes": lambda: model.fit(x, np.zeros(4, "int32")),
        "no labels were given": lambda: labelled.fit(x),
        "`labels`.* in \\[0, 3\\).*from 3 to 3": lambda: labelled.fit(x, np.full(4, 3, "int32")),
        "arrays of the same length": lambda: labelled.fit(x, np.zeros(3, "int32")),
        "x=None": lambda: model.fit(),
        "'tokens' and": lambda: model.fit({"text": x}),
        " in \\[0, 6\\)": lambda: model.predict_logits(x + 9, 0.5),
        "num_samples=0": lambda: model.generate(0),
        "num_steps=0": lambda: model.generate(1, num_steps=0),
        "time_grid='sine'": lambda: model.generate(1, time_grid="sine"),
        "Expected one of 'ancestral'": lambda: model.generate(1, sampler="magic"),
        "temperature=-1": lambda: model.generate(1, temperature=-1),
        "seed=-1": lambda: model.generate(1, seed=-1),
        "Expected labels for the samples": lambda: labelled.generate(2),
        "shape \\[2\\].*labels of shape=\\(3,\\)": lambda: labelled.generate(2, labels=[0, 1, 2]),
        "nothing to fill in row 0": lambda: model.infill(x, np.zeros(x.shape, bool)),
        "Expected booleans": lambda: model.infill(x, np.ones(x.shape)),
        "lacks \\['vocabulary_size'": lambda: MD4(keras.layers.Dense(3)),
        "timesteps=0": lambda: text_model(timesteps=0),
        "time_sampling='sobol'": lambda: text_model(time_sampling="sobol"),
        "Expected no loss": lambda: model.compile("adam", loss="mse"),
        "lacks \\['weight', 'reveal_probability'": lambda: text_model(schedule=OnlyAlpha()),
    }


def test_mistakes_are_named_before_any_work():
    for message, call in bad_calls().items():
        with pytest.raises(ValueError, match=message):
            call()
