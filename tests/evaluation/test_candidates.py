import itertools
import types

import keras
import numpy as np
import pytest
from keras import ops

from md4keras import MD4
from md4keras.evaluation.candidates import candidate_steps, candidates, entropy_map
from md4keras.evaluation.sources import Enumerable
from tests.models.tabular import FixedLogits
from tests.reference import array

VALUES, COUNT = 3, 4
STATES = np.array(list(itertools.product(range(VALUES), repeat=COUNT)), "int32")  # [81, 4]


@pytest.fixture(scope="module")
def joint():
    return Enumerable.random(VALUES, COUNT).joint


@pytest.fixture
def model(joint):
    return MD4(Enumerable(joint).denoiser())


class ByLabel(keras.layers.Layer):
    """A network that knows the label alone: probabilities `[classes, V]` at every position."""

    def __init__(self, probabilities):
        super().__init__(autocast=False)
        self.num_classes, self.vocabulary_size = probabilities.shape
        self.data_shape, self.time_conditioned = (COUNT,), False
        self.logits = np.log(probabilities).astype("float32")
        self.built = True

    def call(self, inputs, training=None):
        logits = ops.take(ops.convert_to_tensor(self.logits), inputs["label"], axis=0)  # [B, V]
        return ops.repeat(ops.expand_dims(logits, 1), COUNT, axis=1)  # [B, N, V]


class Watched:
    """A model that notes how it is called, and whose examples may have another shape."""

    def __init__(self, model, data_shape=(COUNT,)):
        self.model, self.calls = model, []
        self.schedule, self.mask_token = model.schedule, model.mask_token
        self.network = types.SimpleNamespace(data_shape=data_shape)

    def predict_logits(self, zt, time, labels=None):
        self.calls.append((zt, time, labels))
        logits = array(self.model.predict_logits(zt.reshape(len(zt), -1), time, labels))
        return logits.reshape(*zt.shape, -1)


def conditional(joint, x, position):
    """`p(x_position | the others)`, `[V]`."""
    line = joint[(*x[:position], slice(None), *x[position + 1 :])]
    return line / line.sum()


@pytest.mark.parametrize(
    "mask", [[True] * 4, [False, True, False, True], [False, False, True, False]]
)
def test_probabilities_are_the_true_conditionals(mask, model, joint):
    for x in STATES[::7]:
        found = candidates(model, x, np.array(mask), k=VALUES, batch_size=4)
        assert found.positions.tolist() == [i for i in range(COUNT) if mask[i]]
        for row, position in enumerate(found.positions):
            p = conditional(joint, x, position)
            assert found.probability[row] == pytest.approx(p[x[position]], rel=1e-4, abs=1e-12)
            np.testing.assert_allclose(found.probabilities[row], np.sort(p)[::-1], rtol=1e-4)
            np.testing.assert_allclose(p[found.values[row]], np.sort(p)[::-1])


def test_fewer_candidates_are_the_first_of_more(model):
    x, mask = STATES[50], np.ones(COUNT, bool)
    all_of_them = candidates(model, x, mask, k=99, batch_size=4)  # no more than there are values
    assert all_of_them.values.shape == all_of_them.probabilities.shape == (COUNT, VALUES)
    np.testing.assert_allclose(all_of_them.probabilities.sum(axis=-1), 1.0, rtol=1e-12)
    two = candidates(model, x, mask, k=2, batch_size=4)
    np.testing.assert_array_equal(two.values, all_of_them.values[:, :2])
    np.testing.assert_array_equal(two.probabilities, all_of_them.probabilities[:, :2])


@pytest.mark.parametrize("batch_size", [1, 3, 4, 64])
def test_each_call_has_the_same_shape_and_hides_one_position_a_row(batch_size, model, joint):
    watched = Watched(model)
    x = STATES[40]
    found = candidates(watched, x, np.ones(COUNT, bool), batch_size=batch_size)
    exact = [conditional(joint, x, i)[x[i]] for i in range(COUNT)]
    np.testing.assert_allclose(found.probability, exact, rtol=1e-4)
    assert len(watched.calls) == -(-COUNT // batch_size)
    for zt, time, _ in watched.calls:
        assert zt.shape == (batch_size, COUNT)
        hidden = zt == model.mask_token
        assert (hidden.sum(axis=1) == 1).all()
        np.testing.assert_array_equal(zt[~hidden], np.broadcast_to(x, zt.shape)[~hidden])
        # At this time the schedule expects one mask.
        assert COUNT * (1 - float(array(model.schedule.alpha(time)))) == pytest.approx(1, rel=1e-5)


def test_each_call_is_told_and_can_be_the_last(model):
    x, mask, watched = STATES[5], np.array([True, False, True, True]), Watched(model)
    (nothing, *first), (found, *last) = candidate_steps(watched, x, mask, batch_size=2)
    assert nothing is None and (first, last) == ([1, 2], [2, 2])
    np.testing.assert_array_equal(
        found.probability, candidates(model, x, mask, batch_size=2).probability
    )
    watched.calls.clear()
    for _ in candidate_steps(watched, x, mask, batch_size=1):
        break
    assert len(watched.calls) == 1
    with pytest.raises(ValueError, match="Received: k=0"):
        candidate_steps(model, x, mask, k=0)  # before the first step is asked for


def test_positions_of_images_are_flat(model, joint):
    x = STATES[65]
    mask = np.array([False, True, True, False])
    flat = candidates(model, x, mask, batch_size=2)
    watched = Watched(model, data_shape=(2, 2, 1))
    square = candidates(watched, x.reshape(2, 2, 1), mask.reshape(2, 2, 1), batch_size=2)
    assert square.positions.tolist() == [1, 2]
    np.testing.assert_array_equal(square.probability, flat.probability)
    np.testing.assert_array_equal(square.values, flat.values)


def test_labels_reach_the_network():
    odds = np.array([[1, 1, 2], [5, 4, 1]]) / [[4], [10]]  # [classes, V]
    model = MD4(ByLabel(odds))
    x, mask = np.array([0, 1, 2, 0]), np.array([True, True, True, False])
    for label, p in enumerate(odds):
        for labels in (label, [label], np.array([label])):
            found = candidates(model, x, mask, k=1, labels=labels, batch_size=2)
            np.testing.assert_allclose(found.probability, p, rtol=1e-6)
            assert found.values.tolist() == [[p.argmax()]] * 3
    bits = entropy_map(model, np.full((2, COUNT), 3), 0.5, labels=np.array([0, 1]))
    exact = -(odds * np.log2(odds)).sum(axis=1)
    np.testing.assert_allclose(bits, np.repeat(exact[:, None], COUNT, axis=1), rtol=1e-6)


def test_entropies_add_up_to_that_of_the_joint(model, joint):
    """The chain rule: `H(x) = sum_i E H(x_i | x_1 ... x_{i-1})`."""
    total = 0.0
    for position in range(COUNT):
        zt = STATES.copy()
        zt[:, position:] = VALUES
        bits = entropy_map(model, zt, 0.5)
        assert bits.shape == zt.shape
        assert (bits[:, :position] == 0).all() and (bits[:, position:] > 0).all()
        total += joint.ravel() @ bits[:, position]
    assert total == pytest.approx(Enumerable(joint).entropy().nats / np.log(2), rel=1e-5)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_time_of_a_state_is_where_the_schedule_expects_its_masks(schedule, joint):
    model = Watched(MD4(Enumerable(joint).denoiser(), schedule=schedule))
    zt = np.array([[0, 1, 2, 0], [0, 3, 2, 3], [3, 3, 3, 3]])  # 0, 2 and 4 of 4 masked
    bits = entropy_map(model, zt)
    time = model.calls[0][1]
    np.testing.assert_allclose(array(model.schedule.masked_fraction(time)), [0, 0.5, 1], atol=2e-4)
    np.testing.assert_array_equal(bits, entropy_map(model, zt, time))


@pytest.mark.parametrize(
    "logits, bits", [([0.0] * 8, 3.0), ([0.0, 0.0, -1e9], 1.0), ([0.0, -1e9], 0.0)]
)
def test_entropies_are_in_bits(logits, bits):
    model = MD4(FixedLogits(logits, 2))
    found = entropy_map(model, np.array([[0, len(logits)]]), 0.5)
    np.testing.assert_allclose(found, [[0.0, bits]], atol=1e-12)
    assert not np.signbit(found).any()


def test_impossible_values_have_no_weight():
    model = MD4(FixedLogits([0.0, -np.inf, 0.0], 2))
    found = candidates(model, np.array([0, 1]), np.array([True, True]), k=3, batch_size=2)
    np.testing.assert_array_equal(found.probability, [0.5, 0.0])
    assert found.values.tolist() == [[0, 2, 1]] * 2  # equals: the lower value first
    np.testing.assert_array_equal(entropy_map(model, np.array([[3, 0]]), 0.5), [[1.0, 0.0]])


@pytest.mark.parametrize(
    "change, message",
    [
        ({"mask": np.ones(3, bool)}, r"`mask` is a mask.*Received: shape=\(3,\)"),
        ({"mask": np.ones(COUNT, int)}, "`mask` is a mask.*Received: .*dtype=int64"),
        ({"mask": np.zeros(COUNT, bool)}, "Nothing was filled.*Received: mask"),
        ({"tokens": np.array([0, 1, VALUES, 0])}, r"in \[0, 3\).*from 0 to 3.*infill"),
        ({"tokens": np.array([0, 1, -1, 0])}, "Received: tokens of shape.*from -1 to 1"),
        ({"tokens": np.zeros((1, COUNT), int)}, r"\[size\].*Received: tokens of shape=\(1, 4\)"),
        ({"tokens": np.zeros(COUNT)}, "Received: tokens of shape.*float64"),
        ({"k": 0}, "Received: k=0"),
        ({"k": 2.0}, "Received: k=2.0"),
        ({"batch_size": 0}, "Received: batch_size=0"),
        ({"labels": [0, 1]}, "Received: labels of shape"),
        ({"labels": 0}, "network without classes"),
    ],
)
def test_bad_input_is_refused(change, message, model):
    good = dict(tokens=np.zeros(COUNT, int), mask=np.ones(COUNT, bool))
    with pytest.raises(ValueError, match=message):
        candidates(model, **{**good, **change})


def test_states_are_checked_by_the_model(model):
    with pytest.raises(ValueError, match=r"in \[0, 4\).*from 0 to 4"):
        entropy_map(model, np.array([[0, 1, 2, 4]]), 0.5)
