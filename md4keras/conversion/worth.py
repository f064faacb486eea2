"""The worth of a checkpoint: no more may be built than its arrays hold.

A configuration from outside is a line of text that may ask for any amount of memory and time.
"""

from collections.abc import Callable

from md4keras.checks import is_whole
from md4keras.conversion.stored import StoredArray
from md4keras.weights_file import asked_by

_LAYERS = ("n_layers", "n_dit_layers")
"""What the published code calls numbers of blocks, each of which has arrays."""

_LEVELS = "ch_mult"


def check_layers(constructor: dict, arrays: dict[str, StoredArray]) -> None:
    """Refuses arguments of the published classes that asks for more layers than there are arrays.

    Raises:
        ValueError: if it does.
    """
    asked = {name: constructor[name] for name in _LAYERS if is_whole(constructor.get(name))}
    if isinstance(constructor.get(_LEVELS), (list, tuple)):
        asked[_LEVELS] = len(constructor[_LEVELS])
    for name, layers in asked.items():
        if layers > len(arrays):
            raise _asks_too_much(f"{name}={layers}", f"{len(arrays)} arrays")


def check_numbers(make: Callable, arrays: dict[str, StoredArray]) -> None:
    """Refuses a model that needs more numbers than there are, before it is built.

    Args:
        make: function that returns a model with new weights.
        arrays: those of the checkpoint.

    Raises:
        ValueError: if it does, or whatever making the model raises.
    """
    asked, _ = asked_by(make)
    # Arrays may be shared between layers, of which each is counted.
    held = sum(array.size for array in arrays.values())
    if asked.numbers > 2 * held:
        raise _asks_too_much(f"{asked.numbers} numbers", f"{held} in its arrays")


def _asks_too_much(asked: str, held: str) -> ValueError:
    return ValueError(
        "The configuration asks for more than the checkpoint holds. Expected that of its network. "
        f"Received: {asked}, {held}. Take both from one place."
    )
