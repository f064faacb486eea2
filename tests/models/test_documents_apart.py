"""Documents that share a row know nothing of each other, and padding is nothing to anyone."""

import functools

import numpy as np
import pytest
from keras import ops

import md4keras
from md4keras import MD4, GenMD4
from md4keras.networks import DiT, Llama, Transformer
from tests.gradients import gradients_of
from tests.models.weights import randomised
from tests.reference import array

V, L = 7, 6
SEGMENTS = np.array([[1, 1, 1, 2, 2, 0]], "int32")
FIRST, SECOND = slice(0, 3), slice(3, 5)
X = np.array([[0, 1, 2, 3, 4, 6]], "int32")  # each token occurs once
ONLY_FIRST, ONLY_SECOND = [0, 1, 2], [3, 4]
TRANSFORMER = functools.partial(Transformer, num_heads=2, feature_dim=8)
NETWORKS = {
    "rotary": functools.partial(TRANSFORMER, positions="rotary", remat=None),
    "learned": functools.partial(TRANSFORMER, positions="learned", remat="activations"),
    "outside": functools.partial(
        TRANSFORMER, embedding="outside", conditioning_type="adaln_zero", remat="full"
    ),
    "dit": functools.partial(DiT, num_heads=2, hidden_dim=16, feature_dim=8),
    "llama": functools.partial(Llama, num_heads=2, hidden_dim=16, intermediate_dim=24),
}
KINDS = {
    "continuous": lambda network: MD4(network, schedule="cosine"),
    "discrete": lambda network: MD4(network, timesteps=10),
    "general": GenMD4,
}


def make(kind="continuous", network="rotary", num_layers=2):
    model = randomised(KINDS[kind](NETWORKS[network](V, L, num_layers=num_layers)))
    if kind == "general":
        model.schedule.theta.assign(np.linspace(-0.5, 1.5, V))
    return model


def token_gradient(model, loss, *args):
    """By the embedding of each token, `[V + 1, width]`."""
    names = [variable.path.split("/")[-2] for variable in model.trainable_variables]
    return gradients_of(model, loss, *args)[names.index("token_embedding")]


def moved(gradient, tokens):
    """Whether each of the tokens has a gradient that is not exactly 0."""
    return gradient[tokens].any(axis=-1).tolist()


def test_what_takes_documents_is_tested_here():
    networks = (getattr(md4keras.networks, name) for name in dir(md4keras.networks))
    taking = [each for each in networks if getattr(each, "takes_segment_ids", False) is True]
    assert taking == [DiT, Llama, Transformer]


@pytest.mark.parametrize(
    "kind, network",
    [
        ("continuous", "rotary"),
        ("general", "rotary"),
        ("continuous", "dit"),
        ("continuous", "llama"),
        pytest.param("continuous", "learned", marks=pytest.mark.slow),
        pytest.param("continuous", "outside", marks=pytest.mark.slow),
    ],
)
def test_no_token_of_a_document_moves_a_logit_of_another(kind, network):
    """Both ways; in each, tokens of its own do."""
    model = make(kind, network)

    def size(places):
        def loss(tokens):
            logits = model.predict_logits({"tokens": tokens, "segment_ids": SEGMENTS}, 0.5)
            return ops.sum(ops.square(logits[:, places]))

        return token_gradient(model, loss, X)

    first, second = size(FIRST), size(SECOND)
    assert not any(moved(first, ONLY_SECOND)) and all(moved(first, ONLY_FIRST))
    assert not any(moved(second, ONLY_FIRST)) and all(moved(second, ONLY_SECOND))


def test_no_token_moves_a_logit_of_a_text_from_the_padding():
    model = make()
    mask = np.arange(L)[None] < 3

    def loss(tokens):
        logits = model.predict_logits({"tokens": tokens, "padding_mask": mask}, 0.5)
        return ops.sum(ops.square(logits[:, FIRST]))

    found = token_gradient(model, loss, X)
    assert all(moved(found, ONLY_FIRST)) and not any(moved(found, [3, 4, 5, 6]))


@pytest.mark.parametrize("kind", KINDS)
def test_no_token_moves_the_loss_of_another_document(kind):
    """That of a training step, in which each document has masks, and one of them counts."""
    model = make(kind)
    hidden = np.array([[[0, 1, 0, 0, 1, 0]], [[1, 1, 0, 1, 1, 0]]], bool)
    hidden = hidden if kind == "general" else hidden[:1]

    def draw(x, counted=None, unscored=None):
        time = ops.convert_to_tensor(np.array([0.3], "float32"))
        return time, tuple(ops.where(ops.convert_to_tensor(each), V, x) for each in hidden)

    model.draw_maskings = draw
    batch = {"segment_ids": SEGMENTS, "sample_weight": (SEGMENTS == 1).astype("float32")}

    def loss(tokens):
        return model.compute_loss({**batch, "tokens": tokens})

    found = token_gradient(model, loss, X)
    assert not any(moved(found, ONLY_SECOND)) and all(moved(found, [0, 2]))


def test_logits_with_padding_or_documents_are_those_alone():
    model, time = make(), np.array([0.4], "float32")
    zt = np.where(np.arange(L) % 2, V, X)
    for layout in ({"segment_ids": SEGMENTS}, {"padding_mask": SEGMENTS == 1}):
        found = array(model.predict_logits({"tokens": zt, **layout}, time))
        alone = array(model.predict_logits(zt[:, FIRST], time))
        np.testing.assert_allclose(found[:, FIRST], alone, atol=1e-5)
    plain = array(model.predict_logits(zt, time))
    whole = {"tokens": zt, "padding_mask": np.ones((1, L), bool), "given": zt == 0}
    np.testing.assert_allclose(array(model.predict_logits(whole, time)), plain, atol=1e-5)
    assert np.abs(found[:, FIRST] - plain[:, FIRST]).max() > 1e-3


def test_what_is_no_batch_is_named():
    model = make()
    with pytest.raises(ValueError, match="Expected keys among.*'padding'"):
        model.predict_logits({"tokens": X, "padding": X > 0}, 0.5)
    with pytest.raises(ValueError, match="`padding_mask` is a mask"):
        model.predict_logits({"tokens": X, "padding_mask": X}, 0.5)
    with pytest.raises(ValueError, match=r"`zt` cannot be used.*\[0, 8\).*from 2 to 8"):
        model.predict_logits({"tokens": X + 2, "segment_ids": SEGMENTS * 0 + 1}, 0.5)
