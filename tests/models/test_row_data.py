"""Batches that are dictionaries, from every kind of data: the figures are those of the arrays."""

import keras
import numpy as np
import pytest

from md4keras import MD4
from md4keras.networks import Transformer

N, V, L = 10, 5, 6
RNG = np.random.default_rng(0)
LENGTHS = RNG.integers(1, L + 1, N)
DATA = {
    "tokens": RNG.integers(0, V, (N, L), "int32"),
    "label": RNG.integers(0, 3, N, "int32"),
    "padding_mask": np.arange(L) < LENGTHS[:, None],
    "given": RNG.random((N, L)) < 0.2,
    "sample_weight": RNG.random((N, L)).astype("float32"),
}


def tf_data():
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(DATA).batch(4)


def torch_loader():
    torch = pytest.importorskip("torch")
    rows = [{name: values[i] for name, values in DATA.items()} for i in range(N)]
    return torch.utils.data.DataLoader(rows, batch_size=4)


def grain_data():
    grain = pytest.importorskip("grain")
    rows = [{name: values[i] for name, values in DATA.items()} for i in range(N)]
    return grain.MapDataset.source(rows).batch(4)


def generator():
    for start in range(0, N, 4):
        yield {name: values[start : start + 4] for name, values in DATA.items()}


def tuples():
    return iter([(batch,) for batch in generator()])


class Sequence(keras.utils.PyDataset):
    def __len__(self):
        return -(-N // 4)

    def __getitem__(self, number):
        return [*generator()][number]


def beside():
    """Labels and weights where Keras has its own places for them."""
    for batch in generator():
        y, weight = batch.pop("label"), batch.pop("sample_weight")
        yield batch, y, weight


def trained(data, **how):
    keras.utils.set_random_seed(0)
    model = MD4(Transformer(V, L, 1, 1, 8, num_classes=3), seed=0)
    model.compile(keras.optimizers.SGD(0.1))
    how = {"validation_data": dict(DATA), "validation_batch_size": 4} | how
    logs = model.fit(data, verbose=0, shuffle=False, **how).history
    return {name: values[-1] for name, values in logs.items()}


@pytest.fixture(scope="module")
def expected():
    return trained(dict(DATA), batch_size=4)


SLOW = pytest.mark.slow
SOURCES = [
    *(tf_data, torch_loader, grain_data, generator, beside),
    *(pytest.param(source, marks=SLOW) for source in (tuples, Sequence)),
]


@pytest.mark.parametrize("source", SOURCES)
def test_data_of_every_kind_are_trained_on_alike(source, expected):
    found = trained(source(), validation_data=source())
    assert found == pytest.approx(expected, rel=1e-4)
    assert expected["skipped_steps"] == 0 and "tokens" not in found


def test_single_batches_are_the_same(expected):
    keras.utils.set_random_seed(0)
    model = MD4(Transformer(V, L, 1, 1, 8, num_classes=3), seed=0)
    model.compile(keras.optimizers.SGD(0.1))
    for batch in beside():
        model.train_on_batch(*batch)
    found = model.evaluate(dict(DATA), batch_size=4, num_passes=1, verbose=0, return_dict=True)
    assert found == pytest.approx({name: expected[f"val_{name}"] for name in found}, rel=1e-4)


@pytest.mark.parametrize(
    "bad, shape",
    [
        (-1.0, (N,)),
        (np.nan, (N, L)),
        *(pytest.param(bad, (N,), marks=SLOW) for bad in (np.nan, np.inf)),
        *(pytest.param(bad, (N, L), marks=SLOW) for bad in (-1.0, np.inf)),
    ],
)
def test_weights_that_are_none_are_refused(bad, shape):
    """In arrays before any work, in a data set with the number of the batch."""
    model = MD4(Transformer(V, L, 1, 1, 8, num_classes=3), seed=0)
    model.compile(keras.optimizers.SGD(0.1))
    weight = np.ones(shape, "float32")
    weight[5] = bad
    data = {**DATA, "sample_weight": weight}
    before = model.get_weights()
    for call in (model.fit, model.evaluate, model.train_on_batch, model.test_on_batch):
        with pytest.raises(ValueError, match="Sample weights .* at least 0. Received: [-ni]"):
            call(data)
    batches = [{name: values[i : i + 5] for name, values in data.items()} for i in (0, 5)]
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="Sample weights .* among batch 2 of the epoch"):
            call((batch for batch in batches), verbose=0)
    changed = [
        np.abs(old - new).max() for old, new in zip(before, model.get_weights(), strict=True)
    ]
    assert np.isfinite(changed).all()  # by the first batch alone


def test_labels_are_given_once():
    model = MD4(Transformer(V, L, 1, 1, 8, num_classes=3), seed=0)
    with pytest.raises(ValueError, match="'label' is given twice"):
        model.evaluate(dict(DATA), DATA["label"])
