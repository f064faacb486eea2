"""Networks whose later tokens see the keys and values that were kept of earlier ones."""

import keras
from keras import ops

from md4keras.layers import Cache, attended_after


class Cached:
    """What a `Network` of text takes from here if its tokens pass an embedding, blocks and a norm.

    The network has `token_embedding`, `blocks` (of `num_heads` heads that share nothing),
    `output_norm` and `head`; it has no positions but those of attention.
    """

    def empty_cache(self, batch_size, capacity) -> Cache:
        """A cache without tokens.

        Args:
            batch_size: int, rows.
            capacity: int, the places of a row.

        Example:

        >>> network = md4keras.networks.DiT(5, 8, num_layers=2, num_heads=4, hidden_dim=16)
        >>> tuple(network.empty_cache(batch_size=3, capacity=64).keys.shape)
        (2, 3, 64, 4, 4)
        """
        dtype = self.blocks[0].compute_dtype if self.blocks else "float32"
        sizes = self.num_heads, self.hidden_dim // self.num_heads
        zeros = ops.zeros((self.num_layers, batch_size, capacity, *sizes), dtype=dtype)
        return Cache(zeros, zeros, ops.zeros((batch_size,), dtype="int32"))

    def features_after(self, cache: Cache, inputs: dict, blocks):
        """Features of tokens that follow those of a cache, for `head`; and what a cache holds.

        Args:
            cache: a `Cache`.
            inputs: dictionary of tensors, `"tokens"` int `[B, L]` and, in networks with classes,
                `"label"`.
            blocks: int32 tensor `[B, L]`, the number of each token's block, -1 for padding behind
                the tokens; see `layers.attended_after`.

        Returns:
            float tensor `[B, L, width]`, and the keys and values of the tokens, `[layers, B, L,
            heads, head_dim]`, as `Cache.extended` takes them.

        Example:

        >>> network = md4keras.networks.DiT(5, 8, num_layers=1, num_heads=2, hidden_dim=16)
        >>> tokens = keras.ops.convert_to_tensor([[0, 1, 2, 5]], "int32")
        >>> blocks = keras.ops.convert_to_tensor([[0, 0, 1, 1]], "int32")
        >>> cache = network.empty_cache(batch_size=1, capacity=8)
        >>> _, *own = network.features_after(cache, {"tokens": tokens[:, :2]}, blocks[:, :2])
        >>> cache = cache.extended(*own, count=2)
        >>> last, *_ = network.features_after(cache, {"tokens": tokens[:, 2:]}, blocks[:, 2:])
        >>> whole = network.features({"tokens": tokens, "blocks": blocks})
        >>> last, whole = map(keras.ops.convert_to_numpy, (last, whole))
        >>> bool(np.allclose(last, whole[:, 2:], atol=1e-5))
        True
        """
        mask, positions = attended_after(blocks, cache.length, cache.capacity)
        conditioning = self._conditioning_model()(inputs)
        x, own = self.token_embedding(inputs["tokens"]), []
        for index, block in enumerate(self.blocks):
            stored = cache.keys[index], cache.values[index]
            x, *pair = block(x, conditioning, mask, positions, stored)
            own.append(pair)
        keys, values = cache.keys[:, :, :0], cache.values[:, :, :0]  # without layers
        if own:
            keys, values = (ops.stack(each) for each in zip(*own, strict=True))
        return self.output_norm(x, conditioning), keys, values

    def _conditioning_model(self):
        """The conditioning vector as a functional model, made when it is first needed."""
        if "conditioning" not in self.block_backbones:
            self.block_backbones["conditioning"] = keras.Model(*self.symbols)
        return self.block_backbones["conditioning"]
