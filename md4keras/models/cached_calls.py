"""Network calls for tokens that follow those whose keys and values are kept."""

import functools

from keras import ops

from md4keras import backend
from md4keras.models.generation import Generation


class CachedCalls(Generation):
    """Calls of a model whose network has `empty_cache` and `features_after` (`networks.cached`)."""

    def logits_after(self, cache, zt, labels=None, positions=None, padding_mask=None):
        """Logits of a block that follows what a cache holds, for tensors that were checked before.

        Args:
            cache: a `layers.Cache`, from `network.empty_cache` and `cache_after`.
            zt: int32 tensor `[B, S]`, masks where masked.
            labels, positions: as for `network_logits`.
            padding_mask: bool tensor `[B, S]`, `False` behind the end of a text, or `None`.

        Returns:
            float32 tensor `[B, S, V]`, or `[B, M, V]`. Of a `BlockDiffusion`, to rounding, those
            that `predict_logits` has for the block at the end of the whole text; of an `MD4`, whose
            earlier tokens see the block too, so only while the block is what it was when the keys
            and values were computed.

        Example:

        >>> network = md4keras.networks.DiT(5, 8, num_layers=1, num_heads=2, hidden_dim=16)
        >>> model = md4keras.BlockDiffusion(network, block_size=4)
        >>> cache, block = network.empty_cache(2, capacity=8), keras.ops.zeros((2, 4), "int32")
        >>> cache = model.cache_after(cache, block)
        >>> tuple(model.logits_after(cache, block + model.mask_token).shape)
        (2, 4, 5)
        """
        blocks = ops.zeros_like(zt)
        if padding_mask is not None:
            blocks = ops.where(padding_mask, blocks, -1)
        features, *_ = self.network.features_after(cache, self._inputs_after(zt, labels), blocks)
        if positions is not None:
            features = ops.take_along_axis(features, ops.expand_dims(positions, -1), axis=1)
        return ops.cast(self.network.head(features), "float32")

    def cache_after(self, cache, x, labels=None, blocks=None, count=None):
        """A cache that holds further tokens, too, for tensors that were checked before.

        Args:
            cache: a `layers.Cache`.
            x: int32 tensor `[B, L]`; the first one begins a block.
            labels: as for `network_logits`.
            blocks: int32 tensor `[B, L]`, the number of each token's block, -1 behind the last one;
                `None` if all are one block.
            count: int32 tensor `[B]`, how many of a row's tokens are kept, from the first one on
                (the others are seen by these, all the same); `None` for all.

        Returns:
            a `layers.Cache`, longer by the tokens that are kept; see `logits_after`.

        Example:

        >>> network = md4keras.networks.DiT(5, 8, num_layers=1, num_heads=2, hidden_dim=16)
        >>> model = md4keras.BlockDiffusion(network, block_size=4)
        >>> cache = network.empty_cache(2, capacity=8)
        >>> cache = model.cache_after(cache, keras.ops.zeros((2, 4), "int32"))
        >>> keras.ops.convert_to_numpy(cache.length).tolist()
        [4, 4]
        """
        blocks = ops.zeros_like(x) if blocks is None else blocks
        if count is None:
            count = ops.sum(ops.cast(blocks >= 0, "int32"), axis=1)
        _, *own = self.network.features_after(cache, self._inputs_after(x, labels), blocks)
        return cache.extended(*own, count)

    def _cache_after_arrays(self, cache, *arrays):
        """`cache_after` of arrays in its order, compiled; `None` for those that are not given."""
        tensors = (None if a is None else ops.convert_to_tensor(a, "int32") for a in arrays)
        make = functools.partial(backend.compile_function, self, self.cache_after)
        return self._functions.get("cache_after", make)(cache, *tensors)

    def _inputs_after(self, tokens, labels) -> dict:
        return {"tokens": tokens} | ({"label": labels} if self.network.num_classes else {})
