"""Large batches in parts: the same step, averages included; and Keras's own accumulation."""

import keras
import numpy as np
import pytest
from keras import ops

import md4keras
from md4keras.models import accumulation


def made(cls, kind, micro_batches, **how):
    keras.utils.set_random_seed(0)
    if kind == "images":
        network = md4keras.networks.UNet(4, (4, 4, 1), 0, 64, num_classes=3)
    else:
        network = md4keras.networks.Transformer(5, 8, 1, 2, 16, num_classes=3)
    weights = np.random.default_rng(0)
    network.set_weights([w + 0.1 * weights.normal(size=w.shape) for w in network.get_weights()])
    model = cls(network, seed=3)
    optimizer = keras.optimizers.SGD(0.3, use_ema=True, ema_momentum=0.5, global_clipnorm=0.2)
    model.compile(optimizer, micro_batches=micro_batches, **how)
    return model


def data(kind, count):
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, count)
    if kind == "images":
        return {"tokens": rng.integers(0, 4, (count, 4, 4, 1)), "label": labels}
    tokens = {"tokens": rng.integers(0, 5, (count, 8)), "label": labels}
    if kind == "texts":
        return tokens
    return tokens | {
        "padding_mask": np.arange(8) < rng.integers(2, 9, count)[:, None],
        "given": rng.random((count, 8)) < 0.2,
        "sample_weight": rng.random((count, 8)),
    }


def values(model):
    found = [*model.trainable_variables, *model.optimizer.variables]
    return [ops.convert_to_numpy(each).astype("float64") for each in found]


SLOW = pytest.mark.slow
CASES = [
    pytest.param(md4keras.MD4, "texts", 12, marks=SLOW),
    (md4keras.MD4, "padded", 10),
    pytest.param(md4keras.GenMD4, "padded", 10, marks=SLOW),
    pytest.param(md4keras.GenMD4, "texts", 12, marks=SLOW),
    pytest.param(md4keras.MD4, "images", 12, marks=SLOW),
    pytest.param(md4keras.GenMD4, "images", 10, marks=SLOW),
]


@pytest.mark.parametrize("cls, kind, count", CASES)
def test_parts_of_a_batch_give_its_step(cls, kind, count):
    """Weights, averages, optimiser and all figures, also where the rows do not go up evenly."""
    whole, parts = (made(cls, kind, number) for number in (1, 4))
    logs = []
    for model in (whole, parts):
        for _ in range(2):
            found = model.train_on_batch(data(kind, count), return_dict=True)
        logs.append(found)
    for name, value in logs[0].items():
        np.testing.assert_allclose(logs[1][name], value, rtol=2e-5, atol=1e-6, err_msg=name)
    for one, other in zip(values(whole), values(parts), strict=True):
        np.testing.assert_allclose(other, one, rtol=2e-5, atol=2e-6)


def test_the_parts_hold_each_row_once():
    x = np.arange(10)
    parts, is_row = map(ops.convert_to_numpy, accumulation.in_parts(x, 4))
    assert is_row.tolist() == [[True] * 3, [True] * 3, [True, True, False], [True, True, False]]
    assert parts.tolist() == [[0, 4, 8], [1, 5, 9], [2, 6, 0], [3, 7, 0]]
    assert ops.convert_to_numpy(accumulation.whole(parts, 10)).tolist() == x.tolist()


def test_a_bad_part_skips_the_whole_step():
    """Weights of 1e38: the gradient of one part is too large for a number."""
    model = made(md4keras.MD4, "texts", 2)
    before = [w.copy() for w in model.get_weights()]
    batch = data("texts", 4) | {"sample_weight": np.array([1.0, 1, 1, 3e38])}
    logs = model.train_on_batch(batch, return_dict=True)
    assert logs["skipped_steps"] == 1
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("bad", [0, 1.5, "two"])
def test_the_number_of_parts_is_checked(bad):
    with pytest.raises(ValueError, match="micro_batches"):
        made(md4keras.MD4, "texts", bad)


@pytest.mark.parametrize("momentum", [0.5, pytest.param(0.9, marks=SLOW)])
def test_averages_of_accumulated_gradients_follow_the_updates(momentum):
    """Four batches an update; the averages are those of the weights after each update."""
    model = made(md4keras.MD4, "texts", 1)
    optimizer = keras.optimizers.SGD(
        0.3, use_ema=True, ema_momentum=momentum, gradient_accumulation_steps=4
    )
    model.compile(optimizer)
    batch, expected = data("texts", 6), None
    for number in range(1, 13):
        model.train_on_batch(batch)
        weights = [ops.convert_to_numpy(v).copy() for v in model.trainable_variables]
        if number == 4:
            expected = weights
        elif number % 4 == 0:
            pairs = zip(expected, weights, strict=True)
            expected = [momentum * e + (1 - momentum) * w for e, w in pairs]
        if expected:
            averages = optimizer._model_variables_moving_average
            for average, value in zip(map(ops.convert_to_numpy, averages), expected, strict=True):
                np.testing.assert_allclose(average, value, rtol=1e-5, atol=1e-6)


def test_a_keras_file_gives_back_a_compiled_model(tmp_path):
    """Its optimiser and its state, and the parts of a batch: training goes on as it would have."""
    model = made(md4keras.MD4, "texts", 2)
    batch = data("texts", 6)
    model.train_on_batch(batch)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.compiled and loaded.micro_batches == 2
    assert isinstance(loaded.optimizer, keras.optimizers.SGD)
    loaded.seed_generator.state.assign(np.array(ops.convert_to_numpy(model.seed_generator.state)))
    for each in (model, loaded):
        each.train_on_batch(batch)
    for one, other in zip(values(model), values(loaded), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-6, atol=1e-7)
