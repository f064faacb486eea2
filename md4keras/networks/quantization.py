"""Weights of 8 or 4 bits in place of 32: a network that takes a quarter or an eighth of the room.

Reference: Dettmers et al. 2022, *LLM.int8()* (arXiv 2208.07339), for products of 8 bits; Dettmers
et al. 2023, *QLoRA* (arXiv 2305.14314), for adapters beside weights of 4 bits.
"""

import math
import re

import keras
from keras.dtype_policies import DTypePolicyMap

from md4keras.checks import check_name
from md4keras.layers.policies import policy_of
from md4keras.networks.lora import Adaptable, adapters_of, kernel_shape

MODES = ("int8", "int4")


class Quantizable(Adaptable):
    """A network whose layers can hold their weights in few bits, as Keras's layers do."""

    quantization_config = None
    """The `keras.quantizers.QuantizationConfig` that was asked for, or `None` for Keras's own."""

    def quantize(self, mode: str | None = None, config=None, filters=None, **kwargs) -> None:
        """Rounds the weights of dense layers, embeddings and convolutions, for good.

        Logits change a little. Rounded weights are not trained any more; adapters beside them are
        (`enable_lora`, before or after). In int8 dense layers round their inputs, too, each row by
        its largest number, as Keras has it; `keras.quantizers.Int8QuantizationConfig(
        activation_quantizer=None)` as `config` leaves them alone. In int4 the weights alone are
        rounded, in blocks of 128.

        Args:
            mode: `"int8"` or `"int4"`; `None` for that of `config`.
            config: a `keras.quantizers.Int8QuantizationConfig` or `Int4QuantizationConfig`, or
                `None` for the default of the mode.
            filters: which layers: a regular expression that is searched for in their paths
                (`"block_"`), a list of some, or a function of a layer; `None` for all. All but
                the last layer: `filters="^(?!head)"`.
            kwargs: `type_check`, as of `keras.Model.quantize`.

        Raises:
            ValueError: for another mode, a network that is quantized, or a filter that leaves
                nothing.

        Example:

        >>> network = md4keras.networks.Transformer(
        ...     vocabulary_size=27, sequence_length=16, num_layers=1, num_heads=2, feature_dim=8)
        >>> network.quantize("int8")
        >>> network.head.projection.quantization_mode
        'int8'
        """
        # Keras has made a mode of the configuration, or a configuration of the mode.
        check_name("mode", mode, MODES, "Keras's other modes do not suit these networks.")
        if self.quantization_mode_of_layers is not None:
            raise ValueError(
                "The network is quantized. Expected one with its weights as they were trained. "
                f"Received: one in {self.quantization_mode_of_layers}. Load the model from before."
            )
        chosen = {id(layer) for layer in _quantizable_layers(self) if _is_wanted(layer, filters)}
        if not chosen:
            raise ValueError(
                "There is no layer to quantize. Expected a filter that some path fits. Received: "
                f"filters={filters!r}. Leave it out for all layers."
            )
        super().quantize(mode, config, filters=lambda layer: id(layer) in chosen, **kwargs)
        usual = type(config)().get_config()
        self.quantization_config = None if config.get_config() == usual else config

    @property
    def quantization_mode_of_layers(self) -> str | None:
        """The mode of the layers that are quantized, or `None`."""
        modes = (layer.quantization_mode for layer in self._flatten_layers(include_self=False))
        return next(filter(None, modes), None)

    def count_params(self) -> int:
        """The number of weights; of those that are held in few bits as many as there were before.

        Example:

        >>> network = md4keras.networks.Transformer(
        ...     vocabulary_size=27, sequence_length=16, num_layers=1, num_heads=2, feature_dim=8)
        >>> before = network.count_params()
        >>> network.quantize("int4")
        >>> network.count_params() == before
        True
        """
        layers = self._flatten_layers(include_self=False)
        of_few_bits = [layer for layer in layers if layer.quantization_mode is not None]
        return super().count_params() + sum(map(_missing, of_few_bits))

    def _policy_config(self) -> dict:
        """The dtype policies of the layers, and how inputs are rounded, as configuration has it."""
        layers = self._flatten_layers(include_self=False)
        of_few_bits = {x.path: policy_of(x) for x in layers if x.quantization_mode is not None}
        policy = self.dtype_policy
        if of_few_bits:
            policy = DTypePolicyMap(policy.name, of_few_bits)
        config = {"dtype": keras.dtype_policies.serialize(policy)}
        if self.quantization_config is not None:
            own = keras.saving.serialize_keras_object(self.quantization_config)
            config["quantization_config"] = own
        return config

    def _take_policies(self, policy) -> None:
        """Gives each layer its own of the policies that the network was built with.

        Keras cannot save a quantized layer that has a map of policies in place of its own.

        Raises:
            ValueError: where the policies name a layer that there is not.
        """
        if not isinstance(policy, DTypePolicyMap):
            return
        layers = self._flatten_layers(include_self=False)
        for layer in layers:
            layer._dtype_policy = policy_of(layer)
        paths = {layer.path for layer in layers if layer.path}
        if unknown := sorted(set(policy) - paths):
            raise ValueError(
                "A dtype policy is for a layer that the network does not have. Expected paths of "
                f"its layers, such as {sorted(paths)[0]!r}. Received: {unknown[0]!r}. Leave it out."
            )

    def _take_config(self, config) -> None:
        """Has inputs rounded as a configuration says, in layers that were built quantized."""
        config = keras.saving.deserialize_keras_object(config) if config else None
        self.quantization_config = config
        for layer in self._flatten_layers(include_self=False) if config is not None else ():
            if hasattr(layer, "inputs_quantizer"):
                layer.inputs_quantizer = config.activation_quantizer


def _missing(layer) -> int:
    """How many weights fewer than before a quantized layer has; scales and zeros are no weights."""
    others = {id(each) for each in (getattr(layer, "bias", None), *adapters_of(layer))}
    held = sum(math.prod(w.shape) for w in layer.weights if id(w) not in others)
    return math.prod(kernel_shape(layer)) - held


def _quantizable_layers(network) -> list:
    layers = network._flatten_layers(include_self=False)
    return [x for x in layers if type(x).quantize not in _OF_NO_LAYER]


_OF_NO_LAYER = (keras.layers.Layer.quantize, keras.Model.quantize, Quantizable.quantize)


def _is_wanted(layer, filters) -> bool:
    if filters is None or callable(filters):
        return filters is None or bool(filters(layer))
    patterns = [filters] if isinstance(filters, str) else filters
    return any(re.search(pattern, layer.path) for pattern in patterns)
