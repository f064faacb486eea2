"""Whatever ends `fit`, `evaluate` and their like, the model is that of the last whole step."""

import concurrent.futures
import functools
import os
import signal

import keras
import numpy as np
import pytest

from md4keras import MD4
from md4keras.networks import Transformer

X = np.random.default_rng(0).integers(0, 5, (64, 8), "int32")
BATCHES = [(X[i : i + 8],) for i in range(0, 64, 8)]


class Damaged(Exception):
    """What a damaged data set raises."""


def make():
    keras.utils.set_random_seed(0)
    model = MD4(Transformer(5, 8, 1, 1, 8), seed=0)
    model.compile(keras.optimizers.AdamW(1e-2, use_ema=True, ema_momentum=0.5))
    model.train_on_batch(X[:8])
    return model


def damaged(good: int):
    yield from BATCHES[:good]
    raise Damaged


def values(model):
    """Weights, and the optimizer with its averages."""
    return [
        keras.ops.convert_to_numpy(v)
        for v in [*model.trainable_variables, *model.optimizer.variables]
    ]


@functools.cache
def after_steps(count: int):
    """The values after training on so many of `BATCHES`, one by one."""
    model = make()
    for batch in BATCHES[:count]:
        model.train_on_batch(*batch)
    return values(model)


def check_equal(model, expected):
    # TensorFlow's program for a data set, of unknown shapes, rounds otherwise than that of a batch.
    tolerance = 1e-6 if keras.backend.backend() == "tensorflow" else 0.0
    for found, wanted in zip(values(model), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=0, atol=tolerance)


def check_equal_weights(model, expected):
    """The trainable weights, which come first; an evaluation moves its seeds and metrics."""
    count = len(model.trainable_variables)
    for found, wanted in zip(values(model)[:count], expected[:count], strict=True):
        np.testing.assert_array_equal(found, wanted)


def check_works(model):
    """All that a user does next."""
    assert np.isfinite(model.fit(X, verbose=0).history["loss"]).all()
    assert np.isfinite(model.evaluate(X, verbose=0, num_passes=1)).all()
    assert model.generate(2, num_steps=2).shape == (2, 8)
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def raised(call, *args, **kwargs):
    """The exception itself, or the one that TensorFlow's data pipeline wrapped up."""
    with pytest.raises(Exception) as caught:
        call(*args, verbose=0, **kwargs)
    return f"{caught.value!r} {caught.value}"


@pytest.mark.parametrize("good", [2, 5])
def test_fit_on_a_data_set_that_fails_leaves_the_steps_before(good):
    model = make()
    assert "Damaged" in raised(model.fit, damaged(good))
    # TensorFlow reads ahead, so the failure may come some steps before the batch.
    steps = int(keras.ops.convert_to_numpy(model.optimizer.iterations)) - 1
    assert steps == good or (keras.backend.backend() == "tensorflow" and steps <= good)
    check_equal(model, after_steps(steps))
    check_works(model)


@pytest.mark.parametrize("good", [2, 5])
def test_evaluate_of_a_data_set_that_fails_changes_nothing(good):
    model = make()
    assert "Damaged" in raised(model.evaluate, damaged(good))
    check_equal_weights(model, after_steps(0))
    check_works(model)


def test_validation_that_fails_leaves_the_epoch_before_it():
    model = make()
    data = damaged(3)
    assert "Damaged" in raised(model.fit, X, batch_size=8, shuffle=False, validation_data=data)
    steps = int(keras.ops.convert_to_numpy(model.optimizer.iterations))
    assert steps == 1 + len(BATCHES)
    weights = model.get_weights()
    check_works(model)
    assert any((a != b).any() for a, b in zip(model.get_weights(), weights, strict=True))


@pytest.mark.parametrize("name", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
@pytest.mark.parametrize("batch", [np.zeros((4, 8), "float32"), np.zeros((4, 2, 2), "int32")])
def test_a_batch_of_the_wrong_kind_leaves_the_model_as_it_was(name, batch):
    model, expected = make(), after_steps(0)
    data = iter_of(batch) if name in ("fit", "evaluate") else batch
    how = {"verbose": 0} if name in ("fit", "evaluate") else {}
    with pytest.raises(ValueError, match="wrong type|whole numbers|wrong shape"):
        getattr(model, name)(data, **how)
    check_equal_weights(model, expected)
    check_works(model)


def iter_of(batch):
    yield (batch,)


def test_a_callback_that_fails_leaves_the_step_it_failed_after():
    def fail(batch, logs):
        if batch == 2:
            raise Damaged

    model = make()
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=fail)
    with pytest.raises(Damaged):
        model.fit(X, batch_size=8, shuffle=False, verbose=0, callbacks=[callback])
    check_equal(model, after_steps(3))
    check_works(model)


def interrupt_at(step: int, times: int = 1):
    """Batches, of which one sends interrupts to this process while it is read."""
    for number, batch in enumerate(BATCHES):
        if number == step:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
        yield batch


@pytest.mark.parametrize("verbose", [0, 1])
def test_an_interrupt_ends_training_after_the_step(verbose):
    model = make()
    with pytest.raises(KeyboardInterrupt):
        model.fit(interrupt_at(3), verbose=verbose)
    steps = int(keras.ops.convert_to_numpy(model.optimizer.iterations)) - 1
    assert steps <= 4
    check_equal(model, after_steps(steps))
    check_works(model)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_that_keras_would_swallow_is_seen():
    """Keras turns logs into numbers under a bare `except`, where it nearly always waits."""

    class Value(float):
        def __float__(self):
            os.kill(os.getpid(), signal.SIGINT)
            return 0.0

    seen = []

    def swallow(batch, logs):
        seen.append(batch)
        try:
            float(Value())
        except BaseException:  # noqa: BLE001
            seen.append("raised in the middle")

    model = make()
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=swallow)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, batch_size=8, shuffle=False, verbose=0, callbacks=[callback])
    assert seen == [0]
    check_equal(model, after_steps(1))


def test_a_second_interrupt_has_effect_at_once():
    reached = []

    def twice(batch, logs):
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("first")
        os.kill(os.getpid(), signal.SIGINT)
        reached.append("second")

    model = make()
    callback = keras.callbacks.LambdaCallback(on_train_batch_end=twice)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, batch_size=8, verbose=0, callbacks=[callback])
    assert reached == ["first"]
    check_works(model)


def test_an_interrupted_evaluation_or_validation_leaves_the_model_whole():
    model, expected = make(), after_steps(0)
    with pytest.raises(KeyboardInterrupt):
        model.evaluate(interrupt_at(3), verbose=0)
    check_equal_weights(model, expected)
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, batch_size=8, verbose=0, validation_data=interrupt_at(3))
    check_works(model)


def test_another_handler_of_interrupts_stays_in_charge():
    noted = []
    before = signal.signal(signal.SIGINT, lambda number, frame: noted.append(number))
    try:
        make().fit(interrupt_at(3), verbose=0)
    finally:
        signal.signal(signal.SIGINT, before)
    assert noted == [signal.SIGINT]


@pytest.mark.parametrize("name", ["train", "test", "predict"])
def test_an_interrupt_before_the_first_step_leaves_the_model_whole(name):
    model = make()
    interrupt = {f"on_{name}_batch_begin": lambda *_, **__: os.kill(os.getpid(), signal.SIGINT)}
    callback = keras.callbacks.LambdaCallback(**interrupt)
    inputs = {"tokens": X, "time": np.full(64, 0.5, "float32")}
    call = {"train": model.fit, "test": model.evaluate, "predict": model.predict}[name]
    with pytest.raises(KeyboardInterrupt):
        call(inputs if name == "predict" else X, batch_size=8, verbose=0, callbacks=[callback])
    check_equal_weights(model, after_steps(0))
    check_works(model)


def test_other_threads_are_no_matter_of_signals():
    """After a `fit` in the main thread, too."""
    model = make()
    model.fit(X, verbose=0)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        assert pool.submit(model.evaluate, X, verbose=0, num_passes=1).result()[0] > 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
