"""A model whose network is changed after it was made: adapters beside its weights, fewer bits."""

import os
from collections.abc import Sequence

from md4keras.models.masked_diffusion import MaskedDiffusion


class Adaptation(MaskedDiffusion):
    """What its network has, of which nothing that was compiled before is used again."""

    def enable_lora(
        self,
        rank: int,
        target_layer_names: str | Sequence[str] | None = None,
        lora_alpha: float | None = None,
    ) -> None:
        """Gives layers of the network adapters, which alone are trained from now on.

        All other weights are frozen, those of a learned schedule, too. To be called before
        `compile`: an optimizer that has trained other weights is dropped.

        Args:
            rank, target_layer_names, lora_alpha: as of the network's `enable_lora`.

        Raises:
            ValueError: as of the network's `enable_lora`.

        Example:

        >>> network = md4keras.networks.Transformer(
        ...     vocabulary_size=3, sequence_length=8, num_layers=1, num_heads=2, feature_dim=8)
        >>> model = md4keras.MD4(network)
        >>> before = len(model.trainable_variables)
        >>> model.enable_lora(rank=2)  # then `compile` and `fit`
        >>> len(model.trainable_variables) < before
        True

        Reference: Hu et al. 2021, *LoRA: Low-Rank Adaptation of Large Language Models*
        (arXiv 2106.09685).
        """
        self.network.enable_lora(rank, target_layer_names, lora_alpha)
        self._train_adapters_alone()

    def quantize(self, mode: str | None = None, config=None, filters=None) -> None:
        """Rounds weights of the network to 8 or 4 bits, for good; see `quantize` of a network.

        Args:
            mode, config, filters: as of the network's `quantize`.

        Raises:
            ValueError: as of the network's `quantize`.

        Example:

        >>> network = md4keras.networks.Transformer(
        ...     vocabulary_size=3, sequence_length=8, num_layers=1, num_heads=2, feature_dim=8)
        >>> model = md4keras.MD4(network)
        >>> model.quantize("int8")
        >>> model.generate(num_samples=2, num_steps=2).shape
        (2, 8)
        """
        self.network.quantize(mode, config=config, filters=filters)
        self._forget_compiled()

    def merge_lora(self) -> None:
        """Adds the adapters to the network's weights; all weights can be trained again.

        See `merge_lora` of a network.

        Example:

        >>> network = md4keras.networks.Transformer(5, 8, num_layers=1, num_heads=2, feature_dim=8)
        >>> model = md4keras.MD4(network)
        >>> model.enable_lora(rank=2)
        >>> model.merge_lora()
        >>> model.has_lora
        False
        """
        self.network.merge_lora()
        for layer in self._flatten_layers():
            for variable in layer._trainable_variables:
                variable.trainable = True
        self._forget_compiled()

    def load_lora_weights(self, path: str | os.PathLike) -> None:
        """Takes adapters from a file; see `load_lora_weights` of a network.

        A model without adapters gets them, as by `enable_lora`.

        Example:

        >>> def new():
        ...     return md4keras.MD4(md4keras.networks.Transformer(5, 8, 1, 2, 8))
        >>> adapted, model = new(), new()
        >>> adapted.enable_lora(rank=2)
        >>> adapted.network.save_lora_weights("mine.lora.h5")
        >>> model.load_lora_weights("mine.lora.h5")
        >>> model.has_lora
        True
        """
        had = self.has_lora
        self.network.load_lora_weights(path)
        if not had:
            self._train_adapters_alone()

    def adapt_like(self, other) -> None:
        """Gives a model without adapters new ones as another model of its configuration has."""
        if other.has_lora:
            self.network.adapt_like(other.network)
            self._train_adapters_alone()

    @property
    def has_lora(self) -> bool:
        """Whether the network has adapters (one of your own class may know none)."""
        return bool(getattr(self.network, "lora_layers", ()))

    def _train_adapters_alone(self) -> None:
        adapters = {id(variable) for variable in self.network.trainable_variables}
        for variable in self.trainable_variables:
            variable.trainable = id(variable) in adapters
        self._forget_compiled()

    def _forget_compiled(self) -> None:
        """What was compiled, or built for weights that are no longer those that are trained."""
        self.train_function = self.test_function = self.predict_function = None
        self._functions.clear()
        optimizer = getattr(self, "optimizer", None)
        if optimizer is not None and optimizer.built:
            self.optimizer = None
