"""Training states as the published MD4 code saves them, written by Orbax itself."""

import dataclasses
from typing import Any

import jax
import numpy as np
from orbax import checkpoint


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class TrainState:
    """The published one, a Flax dataclass: Orbax sees the names of its fields."""

    rng: Any
    step: Any
    params: Any
    ema_params: Any
    opt_state: Any
    state: Any


def train_state(params: dict, ema: dict | None, step: int = 0) -> TrainState:
    """A training state of flat parameters, `"params/classifier/..."`; optimiser included."""
    tree, averaged = nested(params), None if ema is None else nested(ema)
    zeros = jax.tree.map(np.zeros_like, tree)
    optimizer = ({}, (step, zeros, zeros), {})
    key = np.zeros(2, "uint32")
    state = TrainState(key, np.array(step), tree, averaged, optimizer, {})
    return jax.tree.map(np.array, state)


def nested(params: dict) -> dict:
    """Flat names as nested dictionaries, without the `params` in front."""
    tree = {}
    for name, array in params.items():
        *path, last = name.split("/")[1:]
        place = tree
        for word in path:
            place = place.setdefault(word, {})
        place[last] = np.asarray(array)
    return tree


def save_run(workdir, states: dict[int, TrainState]) -> None:
    """Writes a run with these steps, as the published `_get_checkpoint_manager` does."""
    manager = checkpoint.CheckpointManager(
        workdir / "checkpoints",
        checkpointers={"train_state": checkpoint.PyTreeCheckpointer()},
        options=checkpoint.CheckpointManagerOptions(max_to_keep=5, create=True),
    )
    for step, state in states.items():
        manager.save(step, items={"train_state": state})
    manager.wait_until_finished()
    manager.close()


def save_state(folder, state: TrainState, **how: bool) -> None:
    """Writes a training state alone, in another layout of Orbax's."""
    writer = checkpoint.Checkpointer(checkpoint.PyTreeCheckpointHandler(**how))
    writer.save(folder, state)
    writer.close()
