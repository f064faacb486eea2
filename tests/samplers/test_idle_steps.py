"""Planned samplers call the network where something is revealed, all as often as is told."""

import numpy as np
import pytest
from keras import ops

from md4keras import MD4, samplers, schedules
from md4keras.samplers import Confidence, LeftToRight
from tests.models.tabular import FixedLogits

LOGITS = [0.0, 1.0, 0.5]


def never(*arguments):
    return ops.zeros((), dtype="bool")


def with_idle_calls(monkeypatch):
    monkeypatch.setattr("md4keras.samplers.stepped_process.idle_rule", lambda sampler: never)


@pytest.mark.parametrize("sampler", [Confidence(), LeftToRight()], ids=repr)
def test_every_call_reveals_something(sampler):
    model = MD4(FixedLogits(LOGITS, 5))
    states = list(model.sample_steps(2, sampler=sampler, num_steps=64))
    left = np.array([(state.tokens == 3).sum() for state in states])
    assert (np.diff(left) < 0).all() and left[-1] == 0
    assert [state.calls for state in states] == list(range(6))
    assert states[0].most_calls == 5
    again = model.generate(2, sampler=sampler, num_steps=64)
    np.testing.assert_array_equal(again, states[-1].tokens)


def test_a_path_that_is_planned_takes_no_idle_call(monkeypatch):
    """Of one row of three positions, in 32 steps: with the same tokens as if they were made."""
    how = {"sampler": samplers.PathPlanning(eta=0.0), "num_steps": 32, "seed": 4}
    states = list(MD4(FixedLogits(LOGITS, 3)).sample_steps(1, **how))
    assert [state.calls for state in states] == [0, 1, 2, 3] and states[0].most_calls == 3
    with_idle_calls(monkeypatch)
    *_, last = MD4(FixedLogits(LOGITS, 3)).sample_steps(1, **how)
    np.testing.assert_array_equal(last.tokens, states[-1].tokens)
    assert last.calls > 3


@pytest.mark.one_backend
def test_a_class_of_ones_own_says_anew_which_steps_are_idle():
    """What it inherits is said of another step."""

    class AllAtOnce(LeftToRight):
        def step(self, logits, zt, s, t, schedule, noise, memory):
            tokens = self.draw(logits, noise)
            return ops.where(ops.equal(zt, logits.shape[-1]), tokens, zt), memory.remembered

    states = list(MD4(FixedLogits(LOGITS, 3)).sample_steps(1, sampler=AllAtOnce(), num_steps=9))
    assert [(state.tokens == 3).sum() for state in states[:2]] == [3, 0]


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "sampler, wanted",
    [
        (samplers.Threshold(threshold=1.0), 5),
        (samplers.EntropyBound(gamma=0.0), 5),
        (samplers.Klass(), 5),
        ("event", None),
        ("first_hitting", 5),
    ],
    ids=str,
)
def test_the_calls_are_at_most_what_is_told(sampler, wanted):
    """One position a call, and no call behind the last."""
    states = list(MD4(FixedLogits(LOGITS, 5)).sample_steps(1, sampler=sampler, num_steps=9))
    assert states[-1].calls == states[0].most_calls == (wanted or states[-1].calls)


@pytest.mark.one_backend
def test_rows_with_plans_of_their_own_are_told_together():
    """Gaps of 2 and of 3: of the 8 steps 5 reveal something in one of them."""
    model = MD4(FixedLogits(LOGITS, 4))
    x, mask = np.zeros((2, 4), "int32"), np.arange(4) < np.array([[2], [3]])
    how = {"sampler": "left_to_right", "num_steps": 40, "time_grid": "uniform"}
    states = list(model.infill_steps(x, mask, **how))
    assert states[-1].calls == states[0].most_calls == 5


@pytest.mark.one_backend
def test_what_the_plan_leaves_is_filled_at_the_end():
    """At time 0 a tenth of all positions stays masked: one call more."""
    model = MD4(FixedLogits(LOGITS, 10), schedule=schedules.Linear(eps=0.1))
    *_, last = model.sample_steps(2, sampler="confidence", num_steps=1, time_grid="uniform")
    assert last.calls == last.most_calls == 2 and last.tokens.max() < 3


def test_the_tokens_are_those_of_a_run_with_idle_calls(monkeypatch):
    """The noise of a step goes by its number; rows with gaps of different sizes, too."""
    x, mask = np.zeros((3, 6), "int32"), np.arange(6) < np.array([[1], [3], [6]])
    how = {"sampler": Confidence(), "num_steps": 40, "seed": 6}
    found = MD4(FixedLogits(LOGITS, 6)).infill(x, mask, **how)
    with_idle_calls(monkeypatch)
    np.testing.assert_array_equal(MD4(FixedLogits(LOGITS, 6)).infill(x, mask, **how), found)
