"""Padding, packed documents, given positions and weights change what is meant, and nothing else."""

import keras
import numpy as np
import pytest
from keras import ops

from md4keras import MD4, GenMD4
from md4keras.backend import compile_function
from md4keras.networks import Transformer
from tests.gradients import gradients_of
from tests.models.weights import randomised
from tests.reference import array

V, L = 5, 6
LENGTHS = (6, 3)
PADDING = np.arange(L) < np.array(LENGTHS)[:, None]
RNG = np.random.default_rng(0)
X = RNG.integers(0, V, (2, L), "int32")
PADDED = {"tokens": np.where(PADDING, X, 0), "padding_mask": PADDING}
HIDDEN = [RNG.random((2, L)) < 0.7 for _ in range(2)]
TIME = np.array([0.3, 0.8], "float32")  # on the grid of the discrete-time model too
SEGMENTS = np.array([[1, 1, 2, 2, 2, 0], [3, 7, 7, 7, 7, 7]])
PACKED = {"tokens": X, "segment_ids": SEGMENTS}

KINDS = {
    "continuous": lambda network: MD4(network, schedule="cosine"),
    "discrete": lambda network: MD4(network, timesteps=10),
    "general": GenMD4,
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def make(kind, **network):
    network = {"positions": "learned", "num_layers": 1, "remat": None} | network
    model = randomised(KINDS[kind](Transformer(V, L, num_heads=2, feature_dim=8, **network)))
    if kind == "general":
        model.schedule.theta.assign(np.linspace(-0.5, 1.5, V))
    return model


def value(model, function, *args):
    """What the function returns, from one program, on the host."""
    return array(compile_function(model, function)(*args))


def terms(model, x, hidden, time):
    """Both terms of the bound, in nats, of each row of a batch or dictionary."""
    tokens = ops.convert_to_tensor(x["tokens"] if isinstance(x, dict) else x)
    zt = ops.where(ops.convert_to_tensor(hidden), ops.full_like(tokens, V), tokens)
    return model.diffusion_loss(x, zt, time) + model.reconstruction_loss(x)


def loss_of(model, x, hidden, time, sample_weight=None):
    """The loss of a training step at these times on these maskings, as many as it takes."""
    count = 2 if isinstance(model, GenMD4) else 1

    def draw(x, counted=None, unscored=None):
        zt = [ops.where(ops.convert_to_tensor(h), ops.full_like(x, V), x) for h in hidden[:count]]
        if unscored is not None:
            zt = [ops.where(unscored, x, z) for z in zt]
        return ops.convert_to_tensor(time), tuple(zt)

    model.draw_maskings = draw
    return model.compute_loss(x, sample_weight=sample_weight)


def gradient(model, loss, *args):
    gradients = gradients_of(model, loss, *args)
    return np.concatenate([gradient.ravel() for gradient in gradients])


def one_row(i, columns):
    """Row `i` cut to some columns, its maskings and its time."""
    return X[i : i + 1, columns], [h[i : i + 1, columns] for h in HIDDEN], TIME[i : i + 1]


SLOW = pytest.mark.slow
BEFORE = PADDING[:, ::-1]
LAYOUTS = {
    "padded": (PADDED, PADDING * 1),
    "padded before": ({"tokens": X, "padding_mask": BEFORE}, BEFORE * 1),
    "packed": (PACKED, SEGMENTS),
}


def texts_of(layout):
    """The number of each text's row, and the texts as rows of their own."""
    numbers = LAYOUTS[layout][1]
    texts = [
        (i, one_row(i, numbers[i] == number))
        for i in range(2)
        for number in np.unique(numbers[i][numbers[i] > 0])
    ]
    return zip(*texts, strict=True)


@each_kind
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_bound_of_a_row_is_that_of_its_texts(kind, layout):
    model, (rows, texts) = make(kind), texts_of(layout)

    def alone(texts):
        nats = [0.0] * 2
        for i, (x, hidden, time) in zip(rows, texts, strict=True):
            nats[i] = nats[i] + terms(model, x, hidden[0], time)[0]
        return ops.stack(nats)

    batch = LAYOUTS[layout][0], HIDDEN[0], TIME
    found = value(model, lambda *args: terms(model, *args), *batch)
    np.testing.assert_allclose(found, value(model, alone, texts), rtol=2e-6, atol=1e-6)


@pytest.mark.parametrize(
    "kind, layout",
    [
        ("continuous", "padded"),
        pytest.param("continuous", "packed", marks=SLOW),
        pytest.param("general", "padded", marks=SLOW),
    ],
)
def test_a_step_on_a_row_is_that_on_its_texts(kind, layout):
    """The gradient of the loss, whatever stands in the padding.

    (The documents of a row share the leave-one-out term of GenMD4: less exact, no less true.)
    """
    model, (_, texts) = make(kind), texts_of(layout)
    batch, numbers = LAYOUTS[layout]
    batch = {**batch, "tokens": np.where(numbers > 0, X, -100)}

    def summed(texts):
        nats = sum(loss_of(model, *text) * text[0].shape[1] for text in texts)
        return nats / (numbers > 0).sum()

    ours = gradient(model, lambda *args: loss_of(model, *args), batch, HIDDEN, TIME)
    theirs = gradient(model, summed, texts)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


def test_a_mask_beside_documents_makes_padding_of_the_rest():
    model = make("continuous")
    both = {"tokens": X, "segment_ids": SEGMENTS, "padding_mask": PADDING}
    cut = {"tokens": X, "segment_ids": np.where(PADDING, SEGMENTS, 0)}
    found = [
        value(model, lambda *args: terms(model, *args), x, HIDDEN[0], TIME) for x in (both, cut)
    ]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize("positions", ["rotary", "learned"])
def test_no_token_of_a_document_moves_a_logit_of_another(positions):
    model = make("continuous", positions=positions, num_layers=2, remat="activations")
    segment_ids = ops.convert_to_tensor(np.array([[1, 1, 1, 2, 2, 0]], "int32"))

    def logits(tokens, training=False):
        tokens = ops.convert_to_tensor(tokens)
        where = {"training": training, "segment_ids": segment_ids}
        return model.network_logits(tokens, 0.5, None, **where)[:, 3:5]

    tokens, other = np.array([[[0, V, 1, 3, V, 4]], [[2, 0, V, 3, V, 1]]], "int32")
    np.testing.assert_array_equal(*(value(model, logits, each) for each in (tokens, other)))
    gradients = gradients_of(model, lambda x: ops.sum(ops.square(logits(x, True))), tokens)
    names = [variable.path.split("/")[-2] for variable in model.trainable_variables]
    embedding = gradients[names.index("token_embedding")]
    assert not embedding[[0, 1, 2, 4]].any() and embedding[[3, V]].any(axis=-1).all()
    if positions == "learned":
        assert not gradients[names.index("position_embedding")][2:].any()


@each_kind
def test_what_is_given_is_neither_masked_nor_scored(kind):
    model = make(kind)
    given = np.zeros((2, L), bool)
    given[:, 2:] = given[1] = True
    allowed = PADDING & ~given
    data = {**PADDED, "given": given}
    for _ in range(4):
        step = model.draw_step(data)
        hidden = [array(zt) == V for zt in step.maskings]
        assert not any((each & ~allowed).any() for each in hidden)
        for each, zt in zip(hidden, step.maskings, strict=True):
            np.testing.assert_array_equal(array(zt), np.where(each, V, PADDED["tokens"]))
    rows = model.masked_rows(step.batch, step.maskings[0], step.time, training=False)
    assert array(rows[3]).sum() == hidden[0].sum()  # what goes through the head
    found = array(model.diffusion_loss(data, np.where(HIDDEN[0], V, X), TIME))
    zt = np.where(HIDDEN[0] & allowed, V, X)
    np.testing.assert_allclose(found, array(model.diffusion_loss(PADDED, zt, TIME)), rtol=1e-6)
    each = np.array([array(model.reconstruction_loss(X[:, i : i + 1])) for i in range(L)]).T
    wanted = (each * allowed).sum(axis=1)
    np.testing.assert_allclose(array(model.reconstruction_loss(data)), wanted, rtol=1e-5)


def nats_of_positions(model, kind):
    """The bound of each position of the padded rows, by hand, `[2, L]`."""
    tokens = PADDED["tokens"]
    each = np.array([array(model.reconstruction_loss(tokens[:, i : i + 1])) for i in range(L)]).T
    count = 2 if kind == "general" else 1
    for hidden in HIDDEN[:count]:
        zt = ops.convert_to_tensor(np.where(hidden & PADDING, V, tokens).astype("int32"))
        mask = ops.convert_to_tensor(PADDING)
        logits = array(model.network_logits(zt, TIME, padding_mask=mask))
        log_mu = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
        cost = -np.take_along_axis(log_mu, tokens[..., None], axis=-1)[..., 0]
        if kind == "general":
            power = array(model.schedule.power)
            cost = power[tokens] * (cost - 1.0) + np.exp(log_mu) @ power
            cost = cost * (1.0 - model.t1)
        weight = array(model.masking_weight(ops.convert_to_tensor(TIME)))[:, None]
        each = each + weight * cost * hidden / count
    return each * PADDING


@each_kind
def test_weights_count_the_nats_of_rows_and_of_positions(kind):
    model, nats = make(kind), nats_of_positions(make(kind), kind)
    rows = np.array([0.5, 2.0], "float32")
    each = RNG.random((2, L)).astype("float32")

    def loss(weight):
        return loss_of(model, PADDED, HIDDEN, TIME, weight)

    np.testing.assert_allclose(array(loss(None)), nats.sum() / PADDING.sum(), rtol=1e-5)
    for weight, by_hand in ((rows, rows[:, None] * nats), (each, each * nats)):
        wanted = by_hand.sum() / PADDING.sum()
        np.testing.assert_allclose(array(loss(weight)), wanted, rtol=1e-5)
    like_rows = np.repeat(rows[:, None], L, axis=1)
    one, same = (gradients_of_step(model, weight) for weight in (rows, like_rows))
    np.testing.assert_allclose(same, one, rtol=0, atol=1e-5 * np.abs(one).max())


def gradients_of_step(model, weight):
    arguments = PADDED, HIDDEN, TIME, weight
    return gradient(model, lambda *args: loss_of(model, *args), *arguments)


@pytest.mark.parametrize("kind, shape", [("continuous", (2,)), ("general", (2, L))])
def test_figures_are_means_by_weight(kind, shape):
    model, nats = make(kind), nats_of_positions(make(kind), kind)
    loss_of(model, PADDED, HIDDEN, TIME)  # from now on at these times and maskings
    model.compile(keras.optimizers.SGD(0.0))
    weight = RNG.random(shape).astype("float32")
    whole = np.broadcast_to(weight if len(shape) == 2 else weight[:, None], (2, L))
    logs = model.train_on_batch({**PADDED, "sample_weight": weight}, return_dict=True)
    expected = (whole * nats).sum() / (whole * PADDING).sum()
    np.testing.assert_allclose(logs["loss"], expected, rtol=1e-5)


@pytest.mark.parametrize(
    "kind, layout",
    [("continuous", "segment_ids"), pytest.param("general", "padding_mask", marks=SLOW)],
)
def test_lean_and_dense_steps_agree_on_such_rows(kind, layout):
    model = make(kind)
    x = {"tokens": X, "given": X == 1, "sample_weight": RNG.random((2, L))}
    x[layout] = PADDING if layout == "padding_mask" else SEGMENTS
    found = []
    for model.dense_loss in (False, True):
        found.append(gradient(model, lambda *args: loss_of(model, *args), x, HIDDEN, TIME))
    margin = 3e-5 * np.abs(found[1]).max()
    np.testing.assert_allclose(found[0], found[1], rtol=0, atol=margin)
