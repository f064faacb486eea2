"""Low-rank adapters: a large network is fine-tuned through a few small matrices beside its own.

Reference: Hu et al. 2021, *LoRA: Low-Rank Adaptation of Large Language Models* (arXiv 2106.09685);
Dettmers et al. 2023, *QLoRA* (arXiv 2305.14314), for adapters of quantized weights, and for
adapters of all matrices of a block, which it takes to match the training of all weights.
"""

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import h5py
import keras
from keras import ops

from md4keras import backend
from md4keras.checks import Interval, check_number, check_whole
from md4keras.weights_file import measure

ENDING = ".lora.h5"
"""Of a file of adapters."""

_KINDS = ("lora_kernel", "lora_embeddings")


class Adaptable(keras.Model):
    """A network that can have adapters, those of Keras's layers.

    The product of a layer with kernel `W` becomes one with `W + (alpha / rank) A B`, where `A` and
    `B` alone are trained; `B` is zero at the start, so that nothing changes.
    """

    def default_lora_layer_names(self) -> list[str]:
        """The layers that get adapters: all products of attention and of the MLPs."""
        attention = ["query", "key", "value", "output_projection"]
        return [*attention, "gate", "input_projection", "mlp/hidden"]

    def enable_lora(
        self,
        rank: int,
        target_layer_names: str | Sequence[str] | None = None,
        lora_alpha: float | None = None,
    ) -> None:
        """Gives layers adapters, and freezes all else (the biases of these layers, too).

        It is done once, before the network is used or compiled. (Models have a method of the same
        name, which looks after what they have compiled.)

        Args:
            rank: int, columns of `A` and rows of `B`.
            target_layer_names: names of layers wherever they are (`"query"`), or ends of their
                paths (`"block_0/attention/query"`), or one of these; `None` for
                `default_lora_layer_names()`. They are layers that Keras has adapters for: dense,
                embeddings and convolutions.
            lora_alpha: float above 0, `None` for the rank.

        Raises:
            ValueError: for a bad argument, a name that no such layer has, or a network that has
                adapters.

        Example:

        >>> network = md4keras.networks.Transformer(
        ...     vocabulary_size=27, sequence_length=16, num_layers=2, num_heads=4, feature_dim=8)
        >>> network.enable_lora(rank=2, target_layer_names=["query", "value"])
        >>> len(network.trainable_variables)
        8
        """
        check_whole("rank", rank, mend="Use 8, for instance.")
        if lora_alpha is not None:
            check_number("lora_alpha", lora_alpha, Interval(0, with_low=False), "None is the rank.")
        if target_layer_names is None:
            names = self.default_lora_layer_names()
        else:
            one = isinstance(target_layer_names, str)
            names = [target_layer_names] if one else list(target_layer_names)
        layers = _named(self, names, must_have=target_layer_names is not None)
        self._add_adapters({layer.path: (rank, lora_alpha) for layer in layers})

    def adapt_like(self, other) -> None:
        """Gives a network without adapters new ones as another of its configuration has."""
        if other.has_lora:
            self._add_adapters(_settings(other))

    def _add_adapters(self, wanted: dict) -> None:
        """Adapters of layers by path, each with its rank and alpha (or `None`)."""
        if self.lora_layers:
            raise ValueError(
                "The network has adapters. Expected one without. Received: "
                f"lora_rank={self.lora_rank}. Train these, or call `merge_lora()` before."
            )
        freeze(self)
        for layer in _adaptable_layers(self):
            if layer.path in wanted:
                rank, alpha = wanted[layer.path]
                layer.enable_lora(rank, lora_alpha=alpha)
        backend.track_variables(self)

    @property
    def lora_layers(self) -> list:
        """The layers that have adapters."""
        return [layer for layer in self._flatten_layers() if getattr(layer, "lora_enabled", False)]

    @property
    def has_lora(self) -> bool:
        """Whether there are adapters."""
        return bool(self.lora_layers)

    @property
    def lora_rank(self) -> int | None:
        """The (largest) rank of the adapters; `None` where there are none."""
        return max((layer.lora_rank for layer in self.lora_layers), default=None)

    def merge_lora(self) -> None:
        """Adds the adapters to the weights and removes them; all weights can be trained again.

        The logits stay what they were, up to rounding. Quantized weights are rounded once more,
        which changes logits as quantization does: adapters beside them are exact.
        """
        for layer in self.lora_layers:
            _merge(layer)
        thaw(self)
        backend.track_variables(self)

    @contextlib.contextmanager
    def lora_apart(self) -> Iterator[None]:
        """Within it the weights are saved without the adapters, which Keras would add to them."""
        layers = self.lora_layers
        for layer in layers:
            layer.lora_enabled = False
        try:
            yield
        finally:
            for layer in layers:
                layer.lora_enabled = True

    def save_lora_weights(self, path: str | os.PathLike) -> None:
        """Writes the adapters alone, with rank and alpha of each, into an HDF5 file.

        Args:
            path: of the file, which ends with `.lora.h5`.

        Raises:
            ValueError: for another ending, or a network without adapters.
        """
        _check_ending(path)
        if not self.lora_layers:
            raise ValueError(
                "There are no adapters to save. Expected a network that has them. Received: "
                "lora_rank=None. Call `enable_lora(rank)` before, or save the weights."
            )
        with h5py.File(path, "w") as file:
            for layer in self.lora_layers:
                group = file.create_group(layer.path)
                group.attrs["alpha"] = float(layer.lora_alpha)
                for name, variable in zip("ab", adapters_of(layer), strict=True):
                    group[name] = backend.to_numpy(variable)

    def load_lora_weights(self, path: str | os.PathLike) -> None:
        """Takes adapters from a file of `save_lora_weights`; a network without gets them.

        Args:
            path: of the file.

        Raises:
            ValueError: if it is none of such a file, or its adapters do not fit this network.
        """
        _check_ending(path)
        layers = {layer.path: layer for layer in _adaptable_layers(self)}
        found = _read(path, layers)
        wanted = {name: (a.shape[-1], alpha) for name, (a, _, alpha) in found.items()}
        if not self.lora_layers:
            self._add_adapters(wanted)
        if _settings(self) != wanted:
            raise ValueError(
                "The adapters are not those of this network. Expected the layers, ranks and "
                f"alphas of '{path}'. Received: lora_rank={self.lora_rank} of "
                f"{len(self.lora_layers)} layers. Load them into a network without adapters."
            )
        for name, (a, b, _) in found.items():
            for variable, value in zip(adapters_of(layers[name]), (a, b), strict=True):
                variable.assign(value)


def freeze(part) -> None:
    """No weight of a layer or model is trained."""
    for variable in part.trainable_variables:
        variable.trainable = False


def thaw(part) -> None:
    """All weights of a layer or model are trained, those that are numbers of few bits excepted."""
    for layer in part._flatten_layers():
        for variable in layer._trainable_variables:
            variable.trainable = True


def _adaptable_layers(network) -> list:
    layers = network._flatten_layers(include_self=False)
    return [layer for layer in layers if hasattr(layer, "enable_lora")]


def _named(network, names: list[str], must_have: bool) -> list:
    layers, found = _adaptable_layers(network), {}
    for name in names:
        found[name] = [x for x in layers if f"/{x.path}".endswith(f"/{name}")]
    unknown = [name for name in names if must_have and not found[name]]
    if unknown or not any(found.values()):
        raise ValueError(
            "No layer that can have adapters has this name. Expected some of "
            f"{sorted({layer.name for layer in layers})}, or their paths. Received: "
            f"target_layer_names={names}. Leave out {unknown or names}."
        )
    return [layer for layers in found.values() for layer in layers]


def _settings(network) -> dict:
    """Rank and alpha of each layer that has adapters, by its path."""
    return {layer.path: (layer.lora_rank, layer.lora_alpha) for layer in network.lora_layers}


def adapters_of(layer) -> tuple:
    """The variables `A` and `B` of a layer, if it has adapters."""
    if not getattr(layer, "lora_enabled", False):
        return ()
    kind = next(kind for kind in _KINDS if hasattr(layer, f"{kind}_a"))
    return getattr(layer, f"{kind}_a"), getattr(layer, f"{kind}_b")


def _merge(layer) -> None:
    """Adds a layer's adapters to its weights and removes them."""
    if layer.quantization_mode is not None:
        merged = {}
        layer.save_own_variables(merged)  # Keras saves the sum, rounded again
        _remove(layer)
        layer.load_own_variables(merged)
        return
    # Not what Keras saves, which has the precision of the products, and not of the weights.
    change = ops.matmul(*adapters_of(layer)) * (layer.lora_alpha / layer.lora_rank)
    weights = layer._embeddings if hasattr(layer, "_embeddings") else layer._kernel
    weights.assign(ops.add(ops.convert_to_tensor(weights), change))
    _remove(layer)


def _remove(layer) -> None:
    """Takes a layer's adapters from it, as Keras's `quantize` takes the kernel."""
    layer._tracker.unlock()
    for variable in adapters_of(layer):
        layer._untrack_variable(variable)
        setattr(layer, variable.name, None)
    layer._tracker.lock()
    layer.lora_enabled = False
    layer.lora_rank = layer.lora_alpha = None


def _check_ending(path) -> None:
    if not Path(path).name.endswith(ENDING):
        raise ValueError(
            f"A file of adapters is known by its name. Expected one that ends with '{ENDING}'. "
            f"Received: path='{path}'. Use '{path}{ENDING}'."
        )


def _read(path, layers: dict) -> dict:
    """The adapters of a file by the path of their layer: arrays `A` and `B`, and alpha.

    Nothing is made of them that is larger than the file.
    """
    try:
        measure(path)
        found = {}
        with h5py.File(path, "r") as file:
            places = []
            file.visititems(
                lambda name, item: places.append(name) if "alpha" in item.attrs else None
            )
            for name in places:
                alpha = float(file[name].attrs["alpha"])
                found[name] = (*(file[name][each][()] for each in "ab"), alpha)
    except (ValueError, OSError, KeyError, TypeError) as error:
        raise _unfit(path, f"it is none ({error})") from error
    for name, (a, b, alpha) in found.items():
        if name not in layers:
            raise _unfit(path, f"there is no layer {name!r} that could have adapters")
        *inputs, units = kernel_shape(layers[name])
        rank = a.shape[-1] if a.ndim else 0
        shapes, fitting = (a.shape, b.shape), ((*inputs, rank), (rank, units))
        if shapes != fitting or not rank or {a.dtype.kind, b.dtype.kind} != {"f"}:
            raise _unfit(path, f"those of {name!r} have shapes {shapes}, and not {fitting}")
        if alpha not in Interval(0, with_low=False):
            raise _unfit(path, f"that of {name!r} has alpha={alpha}")
    if not found:
        raise _unfit(path, "it has none")
    return found


def _unfit(path, what: str) -> ValueError:
    return ValueError(
        f"The file holds no adapters of this network: {what}. Expected what `save_lora_weights` "
        f"wrote of a network like it. Received: path='{path}'. Check path and network."
    )


def kernel_shape(layer) -> tuple[int, ...]:
    """The shape of a layer's weights, also where two of them share a byte."""
    if hasattr(layer, "output_dim"):
        return (layer.input_dim, layer.output_dim)
    units = getattr(layer, "units", None) or getattr(layer, "filters", None)
    return (*layer._kernel.shape[:-1], units or layer._kernel.shape[-1])
