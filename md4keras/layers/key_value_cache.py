"""Keys and values of tokens that stay as they are, kept so that no call computes them again."""

from typing import Any, NamedTuple

from keras import ops


class Cache(NamedTuple):
    """Keys and values of the first tokens of each row, in all layers.

    What has attended to nothing but what stands before it (finished blocks under block-causal
    attention) would have the same ones in any later call: the cache is exact.

    Attributes:
        keys: float `[layers, B, C, heads, head_dim]`, which know their positions; a row has places
            for `C` tokens.
        values: float, like `keys`.
        length: int32 `[B]`, how many tokens of each row there are; what stands behind them is not
            read.

    Example:

    >>> network = md4keras.networks.DiT(5, 8, num_layers=2, num_heads=4, hidden_dim=16)
    >>> cache = network.empty_cache(batch_size=3, capacity=64)
    >>> cache.capacity, tuple(cache.keys.shape)
    (64, (2, 3, 64, 4, 4))
    """

    keys: Any
    values: Any
    length: Any

    @property
    def capacity(self):
        """The places of a row, an int, or a scalar tensor where a graph leaves it open."""
        return ops.shape(self.keys)[2]

    def extended(self, keys, values, count) -> "Cache":
        """With more tokens behind those of each row.

        Args:
            keys, values: float `[layers, B, L, heads, head_dim]`.
            count: int32 `[B]`, or a number, how many of each row's are taken, from the first one
                on. What finds no place is left out. (Others may be written behind them, where
                nothing is read.)
        """
        count = ops.broadcast_to(count, ops.shape(self.length))
        longer = ops.minimum(self.length + count, self.capacity)
        if self.keys.shape[0] == 0:  # no layers
            return self._replace(length=longer)
        layers, rows, tokens, *sizes = ops.shape(keys)
        last = ops.expand_dims(self.capacity - 1 - self.length, 1)  # -1: there is no place left
        offset = ops.minimum(ops.arange(tokens, dtype="int32"), last)  # [B, L]
        place = ops.expand_dims(self.length, 1) + offset
        # What finds no place becomes another copy of what stands at the last one.
        row = ops.expand_dims(ops.arange(rows, dtype="int32"), 1)
        source = ops.reshape(row * tokens + ops.maximum(offset, 0), (-1,))
        shape = layers, rows, tokens
        layer = ops.reshape(ops.arange(layers, dtype="int32"), (-1, 1, 1))
        indices = [ops.broadcast_to(each, shape) for each in (layer, row, place)]
        indices = ops.reshape(ops.stack(indices, axis=-1), (-1, 3))

        def written(old, more):
            more = ops.reshape(ops.cast(more, old.dtype), (layers, -1, *sizes))
            more = ops.reshape(ops.take(more, source, axis=1), (*shape, *sizes))
            more = ops.where(offset[..., None, None] >= 0, more, old[:, :, -1:])
            return ops.scatter_update(old, indices, ops.reshape(more, (-1, *sizes)))

        return Cache(written(self.keys, keys), written(self.values, values), longer)

    def with_capacity(self, capacity: int) -> "Cache":
        """With places for so many tokens, or as many as before where those are more."""
        if capacity <= self.capacity:
            return self
        more = ((0, 0), (0, 0), (0, capacity - self.capacity), (0, 0), (0, 0))
        return Cache(ops.pad(self.keys, more), ops.pad(self.values, more), self.length)

    def of_rows(self, count) -> "Cache":
        """The first rows alone."""
        return Cache(self.keys[:, :count], self.values[:, :count], self.length[:count])
