"""Samplers with a planned number a step call the network only where something is revealed."""

import dataclasses

import numpy as np
import pytest

from md4keras import MD4, schedules
from md4keras.samplers import Confidence, LeftToRight
from tests.models.tabular import FixedLogits

LOGITS = [0.0, 1.0, 0.5]


@dataclasses.dataclass(frozen=True)
class Unplanned(Confidence):
    """Which makes the idle calls, too."""

    planned = False


@pytest.mark.parametrize("sampler", [Confidence(), LeftToRight()], ids=repr)
def test_every_call_reveals_something(sampler):
    model = MD4(FixedLogits(LOGITS, 5))
    states = list(model.sample_steps(2, sampler=sampler, num_steps=64))
    left = np.array([(state.tokens == 3).sum() for state in states])
    assert (np.diff(left) < 0).all() and left[-1] == 0
    assert [state.calls for state in states] == list(range(6))
    assert states[0].most_calls >= 5
    again = model.generate(2, sampler=sampler, num_steps=64)
    np.testing.assert_array_equal(again, states[-1].tokens)


def test_the_network_is_not_called_at_idle_steps(monkeypatch):
    """Nor in the compiled loop: what it is asked at are the times of steps that reveal."""
    model, times = MD4(FixedLogits(LOGITS, 3)), []
    states = list(model.sample_steps(1, sampler="confidence", num_steps=50))
    assert [state.calls for state in states] == [0, 1, 2, 3]
    process = Confidence().make_process(model)
    monkeypatch.setattr(
        process, "_advance", lambda *args: times.append(1) or process.advance(*args)
    )
    monkeypatch.setattr(model._functions, "get", lambda key, make: process)
    assert len(list(model.sample_steps(1, sampler="confidence", num_steps=50))) == 4
    assert len(times) == 3


def test_the_tokens_are_those_of_a_run_with_idle_calls():
    """The noise of a step goes by its number; rows with gaps of different sizes, too."""
    model = MD4(FixedLogits(LOGITS, 6))
    x, mask = np.zeros((3, 6), "int32"), np.arange(6) < np.array([[1], [3], [6]])
    found, wanted = (
        model.infill(x, mask, sampler=sampler, num_steps=40, seed=6)
        for sampler in (Confidence(), Unplanned())
    )
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.one_backend
def test_what_the_plan_leaves_is_filled_at_the_end():
    """At time 0 a tenth of all positions stays masked: one call more."""
    model = MD4(FixedLogits(LOGITS, 10), schedule=schedules.Linear(eps=0.1))
    *_, last = model.sample_steps(2, sampler="confidence", num_steps=1, time_grid="uniform")
    assert last.calls == 2 and last.tokens.max() < 3
