"""Ids that are none of the network's: refused in arrays, met in data sets, never counted."""

import itertools

import keras
import numpy as np
import pytest

from md4keras import MD4, GenMD4
from md4keras.networks import Transformer

X = np.random.default_rng(0).integers(0, 5, (48, 8), "int32")
Y = np.random.default_rng(1).integers(0, 3, 48, "int32")


def make(cls=MD4, num_classes=None, label_dropout=0.0, **how):
    keras.utils.set_random_seed(0)
    network = Transformer(5, 8, 1, 1, 8, num_classes=num_classes, label_dropout=label_dropout)
    model = cls(network, seed=0)
    model.compile(keras.optimizers.AdamW(1e-2), **how)
    return model


def batches(token=None, label=None, at=2, labels=False):
    """Six batches of eight, the one at place `at` with a bad id in one row."""
    for number, start in enumerate(range(0, 48, 8)):
        x, y = X[start : start + 8].copy(), Y[start : start + 8].copy()
        if number == at and token is not None:
            x[3, 2] = token
        if number == at and label is not None:
            y[3] = label
        yield (x, y) if labels else (x,)


def call(model, name, data):
    getattr(model, name)(data, verbose=0)


@pytest.mark.parametrize("cls", [MD4, pytest.param(GenMD4, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", ["fit", "evaluate"])
@pytest.mark.parametrize(
    "token, found",
    [(5, "from 0 to 5"), (-1, "from -1 to 4"), (-100, "from -100"), (2**31 - 1, "from 0 to 2147")],
)
def test_a_bad_token_of_a_data_set_is_told_with_its_batch(cls, name, token, found):
    model = make(cls)
    with pytest.raises(ValueError, match=rf"`tokens`.*\[0, 5\).*{found}.* batch 3 of .*vocabulary"):
        call(model, name, batches(token))


@pytest.mark.parametrize("name", ["fit", "evaluate"])
@pytest.mark.parametrize("label, found", [(7, "to 7"), (3, "to 3"), (-2, "from -2")])
def test_a_bad_label_of_a_data_set_is_told_with_its_batch(name, label, found):
    model = make(num_classes=3)
    with pytest.raises(ValueError, match=rf"`labels`.*\[0, 3\).*{found}.* batch 1 of .*class id"):
        call(model, name, batches(label=label, at=0, labels=True))


def test_the_null_label_is_one_where_labels_are_dropped():
    model = make(num_classes=3, label_dropout=0.1)
    model.fit(batches(label=3, labels=True), verbose=0)
    with pytest.raises(ValueError, match=r"`labels`.*\[0, 4\).*to 4"):
        model.fit(batches(label=4, labels=True), verbose=0)


@pytest.mark.parametrize("at", [0, 5])
def test_a_bad_batch_changes_nothing(at):
    """Of the first batch and of the last, after which no step looks at it."""
    model, reference = make(), make()
    with pytest.raises(ValueError, match=f"batch {at + 1} "):
        model.fit(batches(5, at=at), verbose=0)
    done = int(keras.ops.convert_to_numpy(model.optimizer.iterations))
    assert done == (5 if at == 5 else 1)  # the next step was begun before it was known
    if at == 5:
        reference.fit((batch for batch in itertools.islice(batches(), 5)), verbose=0)
        for found, wanted in zip(
            model.trainable_variables, reference.trainable_variables, strict=True
        ):
            np.testing.assert_array_equal(found.numpy(), wanted.numpy())


def test_no_figure_is_formed_with_bad_rows():
    seen = []
    note = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append(logs),
        on_test_end=lambda logs: seen.append(logs),
    )
    for name in ("fit", "evaluate"):
        model = make()
        with pytest.raises(ValueError, match="batch 6 "):
            getattr(model, name)(batches(-100, at=5), verbose=0, callbacks=[note])
    model = make()
    with pytest.raises(ValueError, match="batch 6 "):
        model.fit(X, verbose=0, validation_data=batches(5, at=5), callbacks=[note])
    assert not seen


def test_bad_ids_in_every_row_are_told():
    bad = np.full((8, 8), -100, "int32")
    for name in ("fit", "evaluate"):
        with pytest.raises(ValueError, match="from -100 to 0 in batch 1 "):
            call(make(), name, ((bad,) for _ in range(3)))


@pytest.mark.skipif(keras.backend.backend() == "torch", reason="takes one step at a time")
def test_several_steps_at_a_time_name_their_batches():
    model = make(steps_per_execution=3)
    with pytest.raises(ValueError, match="one of the batches 4 to 6 of"):
        model.fit(batches(5, at=4), verbose=0, steps_per_epoch=6)


@pytest.mark.parametrize("name", ["train_on_batch", "test_on_batch"])
def test_single_batches(name):
    model = make(num_classes=3)
    with pytest.raises(ValueError, match="`tokens` cannot be used"):
        getattr(model, name)(np.full((2, 8), 5), np.zeros(2, "int32"))
    with pytest.raises(ValueError, match="`labels` cannot be used"):
        getattr(model, name)(X[:2], np.array([0, 3]))


def test_wide_ids_do_not_wrap_round():
    """2**32 + 1 is 1 in 32 bits. (Only PyTorch's data sets get here with 64 bits.)"""
    wide = X.astype("int64")
    wide[0, 0] = 2**32 + 1
    with pytest.raises(ValueError, match="4294967297"):
        make().fit(wide, verbose=0)
    if keras.backend.backend() == "torch":
        with pytest.raises(ValueError, match="batch 1 "):
            make().fit(((wide[i : i + 8],) for i in (0, 8)), verbose=0)


def test_labels_that_are_no_ids():
    model = make(num_classes=3)
    with pytest.raises(ValueError, match="class ids.*float32|class ids.*float64"):
        model.fit(((x, y + 0.5) for x, y in batches(labels=True)), verbose=0)
    with pytest.raises(ValueError, match="`labels` cannot be used.*class_names"):
        model.generate(1, "three")


def test_good_data_sets_log_what_arrays_do():
    logs = make().fit(batches(), verbose=0).history
    arrays = make().fit(X, batch_size=8, shuffle=False, verbose=0).history
    assert logs == arrays and "tokens" not in logs
    names = {"loss", "bits_per_dim", "perplexity", "diffusion_loss", "reconstruction_loss"}
    assert set(make().evaluate(X, verbose=0, return_dict=True)) == names
