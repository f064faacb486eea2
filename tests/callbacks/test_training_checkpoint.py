"""A fit of one's own that is broken off at any batch ends as one that was never stopped."""

import os
import signal

import keras
import numpy as np
import pytest

import md4keras
from md4keras.callbacks import Stop, TrainingCheckpoint
from md4keras.data import text_dataset

TOKENS = np.random.default_rng(0).integers(0, 5, 400).astype("int32")


def transformer():
    return md4keras.networks.Transformer(
        5, 8, num_layers=1, num_heads=1, feature_dim=8, dropout=0.1
    )


def longer(value):
    return pytest.param(value, marks=(pytest.mark.one_backend, pytest.mark.slow))


class Broken(Exception):
    pass


class BreakAfter(keras.callbacks.Callback):
    """Ends a process's work after so many batches of it, without a word to anyone."""

    def __init__(self, batches, number=None):
        super().__init__()
        self.left, self.number = batches, number

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            if self.number is None:
                raise Broken
            os.kill(os.getpid(), self.number)


def train(folder, seed=0, more=(), epochs=3, **how):
    """The program of the user, anew: 3 epochs of 5 batches; returns weights and history."""
    keras.utils.set_random_seed(seed)  # a restored run does not depend on it
    model = md4keras.MD4(transformer(), seed=seed)
    model.compile(keras.optimizers.AdamW(1e-2, use_ema=True, ema_momentum=0.5))
    checkpoint = TrainingCheckpoint(folder, **{"every": 2, **how})
    data = text_dataset(TOKENS, 8, 4, True, seed=1, start_batch=checkpoint.batches)
    callbacks = [*more[:1], checkpoint, *more[1:]]
    history = model.fit(
        data, steps_per_epoch=5, epochs=epochs, callbacks=callbacks, verbose=0, shuffle=False
    )
    assert history.epoch == list(range(epochs))
    optimizer = [keras.ops.convert_to_numpy(v) for v in model.optimizer.variables]
    return [*model.get_weights(), *optimizer], history.history


def check_equal(ours, theirs):
    for a, b in zip(ours[0], theirs[0], strict=True):
        np.testing.assert_array_equal(a, b)
    assert ours[1] == theirs[1]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return train(tmp_path_factory.mktemp("whole") / "run")


@pytest.mark.parametrize("batches", [(7, 6), *(longer(each) for each in ((1, 3), (5, 10)))])
def test_broken_off_and_gone_on_with(tmp_path, whole, batches):
    """Breaks come before a checkpoint, after one, at the last batch of an epoch, after others."""
    seed = 0
    for count in batches:
        with pytest.raises(Broken):
            train(tmp_path / "run", seed, more=[BreakAfter(count)])
        seed += TrainingCheckpoint(tmp_path / "run").batches
    assert seed > 0
    check_equal(train(tmp_path / "run", seed), whole)


def test_a_finished_run_trains_no_more_and_can_be_made_longer(tmp_path, whole):
    check_equal(train(tmp_path / "run", epochs=2), train(tmp_path / "run", seed=5, epochs=2))
    check_equal(train(tmp_path / "run", seed=6), whole)


@pytest.mark.one_backend
@pytest.mark.parametrize("after", [pytest.param(3, marks=pytest.mark.slow), 5])
def test_a_signal_loses_no_step(tmp_path, whole, after):
    with pytest.raises(KeyboardInterrupt), Stop() as stop:
        breaker = BreakAfter(after, signal.SIGTERM)
        train(tmp_path / "run", more=[breaker], every=100, stop=stop)
    assert stop.status == 143
    assert TrainingCheckpoint(tmp_path / "run").batches == after
    check_equal(train(tmp_path / "run", seed=3, every=100), whole)


@pytest.mark.one_backend
def test_epochs_of_finite_data_in_any_keras_model(tmp_path):
    x = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")

    def fit(folder, seed=0, more=()):
        keras.utils.set_random_seed(seed)
        layers = [
            keras.layers.Dense(4),
            keras.layers.Dropout(0.5, seed=seed),
            keras.layers.Dense(1),
        ]
        model = keras.Sequential([keras.layers.Input((3,)), *layers])
        model.compile("adam", "mse", metrics=["mae"])
        checkpoint = TrainingCheckpoint(folder)
        how = dict(batch_size=4, epochs=4, shuffle=False, verbose=0)
        history = model.fit(x, x[:, :1], callbacks=[checkpoint, *more], **how)
        return model.get_weights(), history.history

    whole = fit(tmp_path / "whole")
    with pytest.raises(Broken):
        fit(tmp_path / "run", more=[BreakAfter(8)])
    check_equal(fit(tmp_path / "run", seed=1), whole)


@pytest.mark.one_backend
def test_what_another_callback_decides_stands(tmp_path):
    class StopAt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    with pytest.raises(Broken):
        train(tmp_path / "run", more=[BreakAfter(9)])
    with pytest.raises(AssertionError):  # 2 epochs in place of 3
        train(tmp_path / "run", more=[keras.callbacks.Callback(), StopAt()])
    assert TrainingCheckpoint(tmp_path / "run").batches == 10


@pytest.mark.one_backend
def test_what_cannot_be_exact_is_refused(tmp_path):
    with pytest.raises(ValueError, match="whole number, at least 1.*every=0"):
        TrainingCheckpoint(tmp_path, every=0)
    model = md4keras.MD4(transformer())
    model.compile(keras.optimizers.AdamW(1e-2, use_ema=True, ema_momentum=0.5))
    endless = text_dataset(TOKENS, 8, 4, True)
    with pytest.raises(ValueError, match="unknown length.*every=3"):
        model.fit(endless, callbacks=[TrainingCheckpoint(tmp_path / "run", every=3)])
    with pytest.raises(Broken):
        train(tmp_path / "run", more=[BreakAfter(3)])
    with pytest.raises(ValueError, match="data begin anew.*after 2 batches of an epoch"):
        checkpoint = TrainingCheckpoint(tmp_path / "run", every=2)
        model.fit(endless, steps_per_epoch=5, callbacks=[checkpoint], verbose=0)
