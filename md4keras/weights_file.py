"""The worth of a saved model: no more may be built than its weights file holds.

A configuration is a line of text that may ask for any amount of memory and time. The header of the
weights file says how many numbers there are, and a model is built only if it has no more of them.
Checksums are no help: whoever writes a hostile folder writes them too.
"""

import concurrent.futures
import math
import os
from collections.abc import Callable
from typing import NamedTuple

import h5py
import keras
import numpy as np

from md4keras.files import whole_file

MOST_POSITIONS = 2**24
"""Tokens of one example: no weight may depend on them, so the weights set them no limit."""

_OURS = "md4keras>"  # how the registered names of this package's classes begin
_ARRAYS_OF_A_LAYER = 4  # at least, of each block of this package's networks


class AsksTooMuch(ValueError):
    """A configuration needs more than its weights are worth."""


class Held(NamedTuple):
    """How many arrays a weights file or a model has, and how many numbers are in all of them."""

    arrays: int
    numbers: int


def measure(path: str | os.PathLike) -> Held:
    """Counts what an HDF5 file holds, from its header alone.

    Raises:
        ValueError: if it is no HDF5 file, or an array is not in it as it stands: its numbers lie
            in another file, were never written, are compressed, or are no numbers.
    """
    sizes = []

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            _check_plain(name, item)
            sizes.append((item.size, item.nbytes))

    try:
        with h5py.File(path, "r") as file:
            file.visititems(add)  # follows no link to another file, and visits nothing twice
    except (OSError, RuntimeError, KeyError) as error:
        raise ValueError(f"it is no HDF5 file that can be read: {error}") from error
    if sum(size for _, size in sizes) > os.path.getsize(path):
        raise ValueError("its arrays are larger than the file")
    return Held(len(sizes), sum(numbers for numbers, _ in sizes))


def rewrite(path: str | os.PathLike, dtype: str = "float32") -> None:
    """Rewrites the weights file that Keras wrote, without the times at which it did.

    So the same weights are the same bytes, whose checksum a report can tell. With `"float16"`,
    float32 arrays of two or more dimensions are rounded, and the file is about half as large.
    Others (biases, scales of norms, exponents of a schedule) stay as they are: they are a small
    part of a file, and errors in them show everywhere. Keras casts what it loads to the dtype of
    each variable.

    Args:
        path: of an HDF5 file, which is replaced.
        dtype: `"float32"`, for all numbers as they are, or `"float16"`.

    Raises:
        ValueError: if a number is too large for float16.
    """

    def add(name, item):
        if isinstance(item, h5py.Dataset):
            values = item[()]
            if dtype == "float16" and item.dtype == "float32" and item.ndim > 1:
                values = _rounded(name, values)
            copied = target.create_dataset(name, data=values)
        else:
            copied = target.create_group(name)
        copied.attrs.update(item.attrs)

    with whole_file(path) as partial:
        with h5py.File(path, "r") as source, h5py.File(partial, "w") as target:
            target.attrs.update(source.attrs)
            source.visititems(add)


def asked_by(make: Callable) -> tuple[Held, tuple[int, ...]]:
    """What a model needs, before it is built.

    It is made once without its numbers (its variables have shapes alone), which takes a twentieth
    of the time. That happens in a thread of its own, because Keras keeps a list for each thread of
    the variables that it would fill later; with the thread it is forgotten.

    Args:
        make: function that returns a model or network of `md4keras`; what it raises is raised.

    Returns:
        The arrays and numbers of its weights, and the shape of an example.
    """

    def measured():
        with keras.StatelessScope(initialize_variables=False):
            model = make()
            numbers = sum(math.prod(variable.shape) for variable in model.weights)
            network = getattr(model, "network", model)
            return Held(len(model.weights), numbers), tuple(network.data_shape)

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(measured).result()


def check_worth(config: dict, held: Held) -> None:
    """Refuses the configuration of a model that needs more than a weights file holds.

    Args:
        config: dictionary, what `keras.saving` made of the model.
        held: what `measure` found.

    Raises:
        AsksTooMuch: if it does.
        Exception: whatever building the model raises.
    """
    layers = sum(map(_least_layers, described(config)))
    if _ARRAYS_OF_A_LAYER * layers > held.arrays:
        raise AsksTooMuch(f"it asks for {layers} layers, and the weights are {held.arrays} arrays")
    try:
        asked, shape = asked_by(
            lambda: keras.saving.deserialize_keras_object(config, safe_mode=True)
        )
    except ValueError as error:
        if "stateless scope" in str(error) and any(map(_is_foreign, described(config))):
            return  # a user's own class that makes variables of arrays, which have to be real
        raise
    if asked.arrays > held.arrays or asked.numbers > held.numbers:
        raise AsksTooMuch(
            f"it asks for {asked.numbers} numbers in {asked.arrays} arrays, and the weights are "
            f"{held.numbers} in {held.arrays}"
        )
    positions = math.prod(shape)
    if positions > MOST_POSITIONS:
        raise AsksTooMuch(f"its examples have {positions} tokens, more than {MOST_POSITIONS}")


def described(config):
    """All descriptions of objects in a configuration, at any depth: `{"class_name", "config"}`."""
    pending = [config]
    while pending:
        item = pending.pop()
        if isinstance(item, dict) and "class_name" in item and "config" in item:
            yield item
        if isinstance(item, dict | list):
            pending.extend(item.values() if isinstance(item, dict) else item)


def _rounded(name: str, values: np.ndarray) -> np.ndarray:
    finite = values[np.isfinite(values)]
    if finite.size and np.abs(finite).max() > np.finfo("float16").max:
        raise ValueError(
            f"A weight is too large for float16. Expected at most {np.finfo('float16').max:,.0f}. "
            f"Received: {np.abs(finite).max():.4g} in {name!r}. Save the model in float32."
        )
    return values.astype("float16")


def _least_layers(item: dict) -> int:
    """The blocks that the constructor of a network of this package makes, or a few less."""
    config = item["config"] if _registered_name(item).startswith(_OURS) else {}
    if not isinstance(config, dict) or not isinstance(config.get("num_layers"), int):
        return 0
    layers = config["num_layers"]
    if levels := config.get("channel_multipliers"):  # of a UViT
        layers = len(levels) * (2 * layers + 1) + int(config.get("num_dit_layers") or 0)
    return max(0, layers)


def _is_foreign(item: dict) -> bool:
    name = _registered_name(item)
    return name in keras.saving.get_custom_objects() and not name.startswith(_OURS)


def _registered_name(item: dict) -> str:
    return str(item.get("registered_name"))


def _check_plain(name: str, array) -> None:
    if array.external or array.is_virtual:
        raise ValueError(f"the numbers of {name!r} lie in another place")
    if array.shape is None or array.dtype.hasobject:
        raise ValueError(f"{name!r} is no array of numbers")
    if array.id.get_storage_size() < array.nbytes:
        raise ValueError(f"{name!r} has fewer numbers than it says")
