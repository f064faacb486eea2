"""What users give by mistake works, or its message says the way."""

import numpy as np
import pytest

import md4keras
from md4keras import MD4
from md4keras.networks import Transformer, UNet

X = np.random.default_rng(0).integers(0, 5, (24, 8), "int32")


@pytest.fixture(scope="module")
def text():
    return MD4(Transformer(5, 8, 1, 1, 8))


@pytest.fixture(scope="module")
def image():
    return MD4(UNet(4, (4, 6, 3), num_layers=0, feature_dim=64))


def test_a_loaded_model_is_evaluated_as_it_is(text, tmp_path):
    md4keras.save_model(text, tmp_path / "model")
    loaded = md4keras.load_model(tmp_path / "model")
    found = loaded.evaluate(X, num_passes=2, verbose=0)
    loaded.compile("sgd")
    np.testing.assert_allclose(loaded.evaluate(X, num_passes=2, verbose=0), found, rtol=1e-5)


@pytest.mark.parametrize("evaluated", [False, True])
def test_training_asks_for_an_optimizer(evaluated):
    model = MD4(Transformer(5, 8, 1, 1, 8))
    if evaluated:
        model.evaluate(X, num_passes=1, verbose=0)
    for call in (model.fit, model.train_on_batch):
        with pytest.raises(ValueError, match="needs an optimizer.*model.compile"):
            call(X)


def test_sample_weights_are_never_dropped(text):
    weight = np.arange(24.0)
    text.compile("sgd")
    for call in (
        lambda: text.fit(X, sample_weight=weight, verbose=0),
        lambda: text.fit(X, validation_data=(X, None, weight), verbose=0),
        lambda: text.evaluate(X, sample_weight=weight, verbose=0),
    ):
        with pytest.raises(ValueError, match=r"would be dropped.*\(tokens, None, sample_weight\)"):
            call()
    # The way that the message says.
    twice = [(X[:8], None, np.ones(8)), (X[8:16], None, np.zeros(8)), (X[:8], None, np.ones(8))]
    found = text.evaluate((batch for batch in twice), verbose=0)
    assert np.isfinite(found).all()
    # Single batches keep theirs.
    nothing = text.test_on_batch(X, sample_weight=np.zeros(24), return_dict=True)
    assert np.isnan(nothing["loss"])


def test_a_generator_is_read_once_and_whole(text):
    """Two batches: the result is of both, and further passes are refused."""

    def batches():
        yield (X[:16],)
        yield (X[16:],)

    found = text.evaluate(batches(), verbose=0, return_dict=True)
    whole = text.evaluate(X, batch_size=16, num_passes=1, verbose=0, return_dict=True)
    assert found == pytest.approx(whole, rel=1e-5)
    with pytest.raises(ValueError, match="num_passes=2.*can be read once"):
        text.evaluate(batches(), num_passes=2, verbose=0)


def test_a_data_set_is_fitted_without_a_warning(text, recwarn):
    text.compile("sgd")
    text.fit(((X[i : i + 8],) for i in (0, 8)), verbose=0)
    text.fit(md4keras.data.batches(lambda i, rng: X[i], 24, 8, training=False), verbose=0)
    assert not [warning for warning in recwarn if "shuffle" in str(warning.message)]


def test_text_is_generated_at_a_length(text, image):
    assert text.generate(1, num_steps=2, length=13).shape == (1, 13)
    *_, last = text.sample_steps(2, num_steps=2, length=5)
    assert last.tokens.shape == (2, 5)
    with pytest.raises(ValueError, match="`length` is the shape of a text"):
        image.generate(1, length=5)
    with pytest.raises(ValueError, match="no `data_shape`"):
        text.generate(1, data_shape=8, length=5)
    with pytest.raises(ValueError, match="length=0"):
        text.generate(1, length=0)


def test_strings_in_the_place_of_tokens(text):
    mask = np.arange(8) > 3
    for call in (
        lambda: text.score("abc"),
        lambda: text.score(["abc", "abd"]),
        lambda: text.infill("ab__", mask),
        lambda: text.infill("the ____ sat"),
        lambda: text.fit("some text", verbose=0),
        lambda: text.evaluate(["some text"], verbose=0),
        lambda: text.infill(["ab______"], mask),
        lambda: text.evaluate(np.array(["abc"]), verbose=0),
        lambda: text.predict_logits(["abc"], 0.5),
    ):
        with pytest.raises(ValueError, match=r"holds text.*tokenizer\.encode.*parse_gaps"):
            call()
    with pytest.raises(ValueError, match="no tokenizer, which makes tokens.*prompt=.'ab'"):
        list(text.generate_blocks(1, 9, prompt="ab"))  # where texts are welcome


def test_a_row_without_a_batch_axis(text, image):
    pixels = np.zeros((4, 6, 3), "int32")
    for call in (
        lambda: text.score(X[0]),
        lambda: text.infill(X[0], np.arange(8) > 3),
        lambda: text.evaluate(X[0], verbose=0),
        lambda: image.score(pixels),
        lambda: image.infill(pixels, pixels == 0),
        lambda: image.diffusion_loss(pixels, pixels, 0.5),
    ):
        with pytest.raises(ValueError, match=r"batch of one: `tokens\[None\]`"):
            call()


def test_an_image_without_channels():
    image = MD4(UNet(4, (4, 6, 1), num_layers=0, feature_dim=64))
    with pytest.raises(ValueError, match=r"axis of its own: `tokens\[\.\.\., None\]`"):
        image.score(np.zeros((3, 4, 6), "int32"))


def test_lists_are_told_to_be_arrays(text):
    for call in (text.fit, text.evaluate):
        with pytest.raises(ValueError, match=r"`tokens` is a list.*np\.asarray"):
            call(X.tolist(), verbose=0)
        with pytest.raises(ValueError, match="`tokens` cannot be used.*from 5 to 5"):
            call([[5] * 8], verbose=0)


def test_a_mask_is_asked_for(text):
    with pytest.raises(ValueError, match="`mask` says what is to be filled"):
        text.infill(X)


def test_rows_of_different_lengths(text):
    """Where they are padded inside, masks have the lengths of their rows."""
    for call in (lambda x: text.fit(x, verbose=0), lambda x: text.predict_logits(x, 0)):
        with pytest.raises(ValueError, match="differ in length"):
            call([[1, 2], [3]])
    for call in (
        lambda x: text.infill(x, [True]),
        lambda x: text.infill(x, [[True, False], [True, False]]),
        lambda x: text.score(x, given=[True, False]),
    ):
        with pytest.raises(ValueError, match=r"fit the rows.*lengths \[2, 1\].*one array"):
            call([[1, 2], [3]])
    with pytest.raises(ValueError, match="nothing to score in row 1"):
        text.score([[1, 2], []])


def test_labels_by_name():
    model = MD4(Transformer(5, 8, 1, 1, 8, num_classes=3))
    model.compile("sgd")
    for call in (
        lambda: model.generate(2, "cat"),
        lambda: model.generate(2, ["cat", "dog"]),
        lambda: model.score(X[:2], ["cat", "dog"]),
        lambda: model.fit(X, np.array(["cat"] * 24), verbose=0),
        lambda: model.evaluate(X, np.array(["cat"] * 24), verbose=0),
    ):
        with pytest.raises(ValueError, match=r"`labels` cannot be used.*class_names"):
            call()


def test_a_mask_of_pixels_is_one_of_all_channels(image):
    tokens = np.random.default_rng(1).integers(0, 4, (2, 4, 6, 3))
    mask = np.zeros((4, 6), bool)
    mask[1:3] = True
    whole = np.repeat(mask[..., None], 3, axis=-1)
    for pixels, full in ((mask, whole), (np.stack([mask, ~mask]), np.stack([whole, ~whole]))):
        found = image.infill(tokens, pixels, num_steps=2)
        np.testing.assert_array_equal(found, image.infill(tokens, full, num_steps=2))
        np.testing.assert_array_equal(
            found[~np.broadcast_to(full, tokens.shape)],
            tokens[~np.broadcast_to(full, tokens.shape)],
        )
        score = image.score(tokens, num_samples=2, given=pixels)
        np.testing.assert_array_equal(score, image.score(tokens, num_samples=2, given=full))
    for wrong in (mask.T, mask[:3], mask.astype(int)):
        with pytest.raises(ValueError, match="`mask` is a mask.*channels may be left out"):
            image.infill(tokens, wrong)
