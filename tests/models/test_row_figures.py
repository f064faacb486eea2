"""Every figure is per scored token of all that was seen, and a text's own wherever it stands."""

import math

import keras
import numpy as np
import pytest

from md4keras import MD4, GenMD4
from md4keras.networks import Transformer, UNet
from tests.models.tabular import FixedLogits
from tests.models.weights import randomised

V, L = 5, 8
LENGTHS = (8, 5, 1, 3, 6)
RNG = np.random.default_rng(0)
TEXTS = [RNG.integers(0, V, n, "int32") for n in LENGTHS]
PADDING = np.arange(L) < np.array(LENGTHS)[:, None]
PADDED = np.stack([np.pad(text, (0, L - len(text)), constant_values=-100) for text in TEXTS])

KINDS = {"continuous": MD4, "discrete": lambda n: MD4(n, timesteps=10), "general": GenMD4}


def make(kind="continuous", **network):
    network = {"positions": "learned", "num_layers": 1, "remat": None} | network
    return randomised(KINDS[kind](Transformer(V, L, num_heads=2, feature_dim=8, **network)))


def certain(kind, scale=2.0):
    """A token 0 costs `scale` nats less than a token 1, at every position of every state."""
    return KINDS[kind](Trainable([scale, 0.0], 60))


class Trainable(FixedLogits):
    """With a weight, so that it can be trained."""

    def __init__(self, logits, count):
        super().__init__(logits, count)
        self.shift = self.add_weight((1,), "zeros", name="shift")

    def call(self, inputs, training=None):
        each = keras.ops.ones_like(inputs["tokens"][..., None], dtype="float32")
        return each * self.logits + self.shift  # also where the shape is not known


@pytest.mark.parametrize("kind", ["continuous", "general"])
def test_batches_of_different_lengths_count_by_their_tokens(kind):
    """A batch of four tokens a row that cost much, and one of sixty that cost little."""
    model = certain(kind)
    model.compile(keras.optimizers.SGD(0.0))
    log_v = math.log1p(math.exp(2.0))
    cost = {0: log_v - 2.0, 1: log_v}

    def batches():
        yield (np.ones((3, 4), "int32"),)
        yield (np.zeros((3, 60), "int32"),)

    expected = (4 * cost[1] + 60 * cost[0]) / 64
    found = model.evaluate(batches(), verbose=0, return_dict=True)
    # Each masked token costs the same, so the number of masks does not matter (t1 apart).
    margin = 1e-2 if kind == "general" else 1e-3
    assert found["loss"] == pytest.approx(expected, rel=margin)
    assert found["bits_per_dim"] == pytest.approx(found["loss"] / math.log(2.0), rel=1e-5)
    assert found["perplexity"] == pytest.approx(math.exp(found["loss"]), rel=1e-5)
    total = found["diffusion_loss"] + found["reconstruction_loss"]
    assert found["loss"] == pytest.approx(total, rel=1e-5)


def test_the_running_figures_of_fit_count_by_tokens(monkeypatch):
    """With everything masked at time 1, where a mask has weight 1."""
    model = certain("continuous")
    model.compile(keras.optimizers.SGD(0.0))
    ones, full = keras.ops.ones, keras.ops.full_like
    monkeypatch.setattr(model, "draw_maskings", lambda x: (ones(3), (full(x, 2),)))
    log_v = math.log1p(math.exp(2.0))
    data = ((np.full((3, n), token, "int32"),) for token, n in ((1, 4), (0, 60)))
    logs = model.fit(data, verbose=0).history
    expected = (4 * log_v + 60 * (log_v - 2.0)) / 64
    assert logs["loss"][0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.parametrize("kind", ["continuous", pytest.param("general", marks=pytest.mark.slow)])
def test_padded_texts_are_evaluated_by_their_tokens(kind):
    """To the mean of their scores over the tokens of all."""
    model = make(kind)
    data = {"tokens": PADDED, "padding_mask": PADDING}
    bound, error = model.score(data, num_samples=256, batch_size=256)
    logs = model.evaluate(data, num_passes=32, verbose=0, return_dict=True)
    # Five rows, so few strata a pass: ten errors of the scores.
    total, margin = bound.sum() / sum(LENGTHS), np.sqrt((error**2).sum()) / sum(LENGTHS)
    assert abs(logs["loss"] - total) < 10 * margin + 0.02 * total
    assert model._positions_seen == 32 * sum(LENGTHS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_score_is_that_of_the_text_alone(kind):
    model = make(kind)
    how = {"num_samples": 6, "seed": 3}
    bound, error = model.score(TEXTS, **how)
    for i in (1, 4) if kind == "continuous" else (4,):
        alone = model.score(np.tile(TEXTS[i], (i + 1, 1)), **how)
        np.testing.assert_allclose((bound[i], error[i]), np.array(alone)[:, i], rtol=1e-5)
    data = {"tokens": PADDED, "padding_mask": PADDING}
    np.testing.assert_allclose(model.score(data, **how)[0], bound, rtol=1e-6)
    if kind == "discrete":
        return
    given = [np.arange(n) % 2 == 1 for n in LENGTHS]
    some = model.score(TEXTS, given=given, **how)[0]
    last = np.tile(TEXTS[4], (5, 1))
    alone = model.score(last, given=given[4], **how)[0][4]
    np.testing.assert_allclose(some[4], alone, rtol=1e-5)
    assert (some[:2] < bound[:2]).all()


@pytest.mark.parametrize("sampler", ["ancestral", "event", "confidence"])
def test_prompts_of_five_lengths_are_filled_as_each_alone(sampler):
    model = make()
    masks = [RNG.random(n) < 0.6 for n in LENGTHS]
    for mask in masks:
        mask[-1] = True
    how = {"sampler": sampler, "num_steps": 5, "seed": 2}
    filled = model.infill(TEXTS, masks, **how)
    for i, (text, mask, row) in enumerate(zip(TEXTS, masks, filled, strict=True)):
        np.testing.assert_array_equal(row[~mask], text[~mask])
        if sampler != "ancestral" and i not in (1, 3):
            continue  # the programs for so many shapes take their time
        alone = model.infill(np.tile(text, (i + 1, 1)), mask, **how)[i]
        np.testing.assert_array_equal(row, alone)
    whole = np.stack([np.pad(mask, (0, L - len(mask))) for mask in masks])
    padded = {"tokens": PADDED, "padding_mask": PADDING}
    *_, last = model.infill_steps(padded, whole, **how)
    np.testing.assert_array_equal(last.tokens[PADDING], np.concatenate(filled))
    assert (last.tokens[~PADDING] == -100).all()
    given = model.infill({**padded, "given": ~whole}, **how)
    np.testing.assert_array_equal(given, last.tokens)


def test_documents_that_share_a_row_are_filled_one_beside_the_other():
    """What the first holds does not change what the second gets."""
    model = make()
    segment_ids = np.array([[1, 1, 1, 1, 2, 2, 2, 0]])
    mask = np.array([[False, True, False, False, True, False, True, True]])
    found = [
        model.infill({"tokens": tokens, "segment_ids": segment_ids}, mask, num_steps=4)
        for tokens in (np.array([[0, 0, 1, 2, 0, 3, 0, 9]]), np.array([[4, 4, 4, 4, 0, 3, 0, 9]]))
    ]
    np.testing.assert_array_equal(found[0][:, 4:], found[1][:, 4:])
    assert found[0][0, 7] == 9 and found[0].max(initial=0, where=segment_ids > 0) < V


@pytest.mark.parametrize("kind", ["continuous", pytest.param("general", marks=pytest.mark.slow)])
def test_a_row_with_nothing_to_score_counts_nothing(kind):
    model = make(kind, remat="full")
    model.compile(keras.optimizers.SGD(0.1))
    given = np.zeros((4, L), bool)
    given[2] = True
    mask = PADDING[:4].copy()
    mask[1] = False
    data = {"tokens": PADDED[:4], "padding_mask": mask, "given": given}
    logs = model.train_on_batch(data, return_dict=True)
    assert logs["skipped_steps"] == 0 and np.isfinite(list(logs.values())).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    assert np.isfinite(model.evaluate(data, verbose=0, num_passes=2)).all()
    assert model._positions_seen == 2 * (mask & ~given).sum()
    nothing = {"tokens": PADDED[:4], "padding_mask": np.zeros((4, L), bool)}
    with pytest.raises(ValueError, match="Nothing was scored"):
        model.evaluate(nothing, verbose=0, num_passes=1)
    weightless = {**data, "sample_weight": np.zeros((4, L))}
    with pytest.raises(ValueError, match="Nothing was scored"):
        model.evaluate(weightless, verbose=0, num_passes=1)
    for each in (nothing, weightless):
        before = model.get_weights()
        logs = model.train_on_batch(each, return_dict=True)  # no figure of nothing
        assert np.isnan(logs["loss"]) and np.isnan(logs["perplexity"])
        assert logs["skipped_steps"] == 0
        for old, new in zip(before, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
    for call in (model.score, model.infill):
        with pytest.raises(ValueError, match="leaves nothing to (score|fill) in row 1"):
            call(data)


@pytest.mark.one_backend
def test_images_with_a_known_part():
    image = randomised(MD4(UNet(4, (4, 4, 2), num_layers=0, feature_dim=64)))
    x = RNG.integers(0, 4, (2, 4, 4, 2), "int32")
    given = np.zeros((2, 4, 4), bool)
    given[:, :2] = True
    data = {"tokens": x, "given": given}
    found = image.score(data, num_samples=2)
    np.testing.assert_array_equal(found, image.score(x, given=given, num_samples=2))
    filled = image.infill(data, num_steps=2)
    np.testing.assert_array_equal(filled[:, :2], x[:, :2])
    step = image.draw_step({**data, "sample_weight": RNG.random(x.shape).astype("float32")})
    assert not (keras.ops.convert_to_numpy(step.maskings[0])[:, :2] == 4).any()
    assert step.batch.position_weight.shape == x.shape
    image.compile("sgd")
    for name, values in {"padding_mask": given[..., 0], "segment_ids": given[..., 0] * 1}.items():
        with pytest.raises(ValueError, match=f"takes no '{name}'.*UNet.*'given'"):
            image.fit({"tokens": x, name: values}, verbose=0)


class TestMistakes:
    model = None

    @pytest.fixture(autouse=True)
    def made(self):
        self.model = make()
        self.model.compile("sgd")

    @pytest.mark.parametrize(
        "data, message",
        [
            ({"padding": PADDING}, "Expected keys among .*'padding_mask'.*'padding'"),
            ({"padding_mask": PADDING.astype(int)}, "`padding_mask` is a mask.*astype"),
            ({"padding_mask": PADDING[:, :3]}, "`padding_mask` is a mask.*shape"),
            ({"given": PADDING.astype("float32")}, "`given` is a mask"),
            ({"segment_ids": PADDING}, "`segment_ids` cannot be used.*1, 2"),
            ({"segment_ids": -1 * PADDING}, "`segment_ids` cannot be used.*from -1"),
            ({"segment_ids": PADDING[:2] * 1}, "`segment_ids` cannot be used"),
            ({"padding_mask": ~PADDING}, "`(tokens|x)` cannot be used.*from -100"),
        ],
    )
    def test_parts_that_do_not_fit(self, data, message):
        for call in (self.model.score, self.model.fit, self.model.evaluate):
            with pytest.raises(ValueError, match=message):
                call({"tokens": PADDED, **data})

    def test_weights_that_do_not_fit(self):
        data = {"tokens": PADDED, "padding_mask": PADDING}
        with pytest.raises(ValueError, match=r"shape \(5,\) or \(5, 8\).*shape=\(5, 3\)"):
            self.model.fit({**data, "sample_weight": np.ones((5, 3))}, verbose=0)
        with pytest.raises(ValueError, match="no sample weights"):
            self.model.score({**data, "sample_weight": np.ones(5)})

    def test_what_is_said_twice(self):
        data = {"tokens": PADDED, "padding_mask": PADDING, "given": PADDING}
        with pytest.raises(ValueError, match="'given' is given twice"):
            self.model.score(data, given=PADDING)
        with pytest.raises(ValueError, match="one of them.*mask and given"):
            self.model.infill(data, PADDING)
        with pytest.raises(ValueError, match="lengths of the rows say"):
            self.model.score({"tokens": TEXTS, "padding_mask": PADDING})

    def test_a_bad_id_among_the_tokens_of_a_data_set(self):
        bad = np.where(PADDING, 7, PADDED)
        data = {"tokens": bad, "padding_mask": PADDING}
        with pytest.raises(ValueError, match="from 0 to 7 in batch 1"):
            self.model.fit((batch for batch in [(data,)]), verbose=0)
