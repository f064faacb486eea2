"""Training states of JAX: written by Orbax while training goes on, each process its own part."""

from pathlib import Path

import jax

from md4keras.files import import_optional


class OrbaxStates:
    """As `NpzStates`; a write returns once the arrays may change, and no array is gathered."""

    name = "orbax"

    def __init__(self):
        self._orbax = import_optional(
            "orbax.checkpoint", "writes the training states on JAX", "orbax-checkpoint"
        )
        items = {
            "arrays": self._orbax.StandardCheckpointHandler(),
            "about": self._orbax.JsonCheckpointHandler(filename="about.json"),
        }
        self._writer = self._orbax.AsyncCheckpointer(
            self._orbax.CompositeCheckpointHandler(**items)
        )

    @property
    def is_first(self) -> bool:
        """Whether this process is the first one of the run."""
        return jax.process_index() == 0

    def write(self, path: Path, variables: dict, about: dict) -> None:
        """As of `NpzStates`, but for the time: a folder appears when it is whole."""
        args = self._orbax.args
        arrays = {name: variable.value for name, variable in variables.items()}
        items = {"arrays": args.StandardSave(arrays), "about": args.JsonSave(about)}
        self._writer.save(path.absolute(), args=args.Composite(**items))

    def read(self, path: Path, variables: dict) -> dict:
        """As of `NpzStates`; each array comes as its variable is laid out over the devices."""
        args = self._orbax.args
        wanted = {
            name: jax.ShapeDtypeStruct(v.value.shape, v.value.dtype, sharding=v.value.sharding)
            for name, v in variables.items()
        }
        items = args.Composite(arrays=args.StandardRestore(wanted))
        return self._writer.restore(path.absolute(), args=items)["arrays"]

    def wait(self) -> None:
        """Returns when all states are on the disk; raises what went wrong."""
        self._writer.wait_until_finished()
