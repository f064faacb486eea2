"""States of a folder: which are kept, what is not whole, and what cannot be read."""

import keras
import numpy as np
import pytest

from md4keras.callbacks import StateFolder
from md4keras.callbacks.state_folder import _removable


def compiled(units=2):
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(units, name="dense")])
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def test_the_last_and_those_of_every_so_many_steps_are_kept(tmp_path):
    model, values = compiled(), {"rows": [{"loss": 0.1}]}
    states = StateFolder(tmp_path / "run", keep_last=2, keep_every=10)
    assert states.steps == [] and states.about() is None
    for step in range(4, 37, 4):
        model.layers[0].bias.assign([step, -step])
        states.save(model, step, {**values, "step": step})
    states.wait()
    assert states.steps == [12, 20, 32, 36]
    states.amend(36, {"step": "amended"})
    other = compiled()
    assert StateFolder(tmp_path / "run").restore(other) == {"step": "amended"}
    np.testing.assert_array_equal(other.layers[0].bias, [36, -36])


@pytest.mark.one_backend
def test_what_is_removed():
    assert _removable([1, 2, 3], 2, None) == [1]
    assert _removable([1], 5, None) == []
    # Those that were kept before are kept again, whatever is gone between them.
    assert _removable([5, 12, 13, 20, 31, 32], 1, 10) == [5, 13]
    assert _removable([12, 20, 31, 32], 1, 10) == []


def test_what_is_not_whole_does_not_count_and_goes(tmp_path):
    model, states = compiled(), StateFolder(tmp_path)
    left = ("step_0000000005.orbax-checkpoint-tmp", ".step_0000000005.abc")
    for name in (*left, "step_0000000005.mine"):
        (tmp_path / name).mkdir()
    assert states.steps == []
    states.save(model, 3, {})
    states.wait()
    assert states.steps == [3]
    assert {path.name for path in tmp_path.iterdir()} == {"step_0000000003", "step_0000000005.mine"}


def test_states_of_other_models_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no training state to go on from"):
        StateFolder(tmp_path).restore(compiled())
    states = StateFolder(tmp_path)
    states.save(compiled(), 3, {})
    states.wait()
    with pytest.raises(
        ValueError, match=r"optimizer_00002 of the shape \[3, 5\].*Received: \[3, 2"
    ):
        StateFolder(tmp_path).restore(compiled(units=5))
    for name, good in (("keep_last", 0), ("keep_every", -1)):
        with pytest.raises(ValueError, match=f"{name}={good}"):
            StateFolder(tmp_path, **{name: good})


def test_a_damaged_state_is_named_with_the_one_before(tmp_path):
    states = StateFolder(tmp_path)
    for step in (3, 6):
        states.save(compiled(), step, {})
    states.wait()
    (tmp_path / "step_0000000006" / "about" / "about.json").write_text("{")
    with pytest.raises(ValueError, match="step 6 cannot be read.*to go on from step 3"):
        states.about()
