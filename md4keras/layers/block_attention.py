"""Block diffusion's attention: which tokens see which, where a row comes in blocks.

Reference: Arriola et al. 2025, *Block Diffusion* (arXiv 2503.09573), Section 3.2 and Appendix B.6.
"""

from keras import ops

from md4keras.layers.positions import positions_from_first


def attended_in_blocks(blocks, two_streams: bool = False):
    """What the tokens of a text in blocks attend to, and their places.

    A token sees its own block and those before it. Of two streams, `[noised ; clean]`, a noised
    token sees the noised ones of its block and the clean ones before it; a clean token sees clean
    ones alone, of its block and before it. Both halves have the same places.

    Args:
        blocks: int `[B, L]` (or `[1, L]`, the same in all rows), the number of each token's block,
            from 0 on, never falling along a row; -1 for padding, which sees padding alone.
        two_streams: bool.

    Returns:
        the `padding_mask`, bool `[B, L, L]` or `[B, 2 L, 2 L]`, and the `positions`, int32 `[B, L]`
        or `[B, 2 L]`, of a `SelfAttention`.

    Example:

    >>> mask, positions = attended_in_blocks(np.array([[0, 0, 1]]))
    >>> keras.ops.convert_to_numpy(mask)[0].astype(int).tolist()
    [[1, 1, 0], [1, 1, 0], [1, 1, 1]]
    """
    positions = positions_from_first(blocks >= 0)
    query, key = ops.expand_dims(blocks, 2), ops.expand_dims(blocks, 1)
    same = ops.equal(query, key)  # [B, L, L]
    before = ops.logical_and(key >= 0, key < query)
    if not two_streams:
        return ops.logical_or(same, before), positions
    nothing = ops.zeros_like(same)
    noised = ops.concatenate([same, before], axis=2)  # [B, L, 2 L]
    clean = ops.concatenate([nothing, ops.logical_or(same, before)], axis=2)
    mask = ops.concatenate([noised, clean], axis=1)  # [B, 2 L, 2 L]
    return mask, ops.concatenate([positions, positions], axis=1)


def attended_after(blocks, length, capacity):
    """What tokens attend to that come after those of a `Cache`, and their places.

    A token sees all that is stored, its own block and those between.

    Args:
        blocks: int `[B, L]`, the number of each token's block, from 0 on, never falling along a
            row; -1 for padding, behind the tokens, which sees padding alone.
        length: int32 `[B]`, the tokens that are stored of each row.
        capacity: int, or a scalar tensor, the places there are for them, `C`.

    Returns:
        bool `[B, L, C + L]`, and int32 `[B, L]`, the `padding_mask` and the `positions` of
        `SelfAttention.attend_after`.

    Example:

    >>> mask, positions = attended_after(np.array([[0, 0, 1]]), np.array([1]), capacity=2)
    >>> keras.ops.convert_to_numpy(mask)[0].astype(int).tolist()
    [[1, 0, 1, 1, 0], [1, 0, 1, 1, 0], [1, 0, 1, 1, 1]]
    >>> keras.ops.convert_to_numpy(positions).tolist()
    [[1, 2, 3]]
    """
    blocks, length = ops.cast(blocks, "int32"), ops.cast(length, "int32")
    length = ops.expand_dims(length, 1)  # [B, 1]
    own, positions = attended_in_blocks(blocks)
    stored = ops.expand_dims(ops.arange(capacity, dtype="int32"), 0) < length  # [B, C]
    stored = ops.logical_and(ops.expand_dims(stored, 1), ops.expand_dims(blocks >= 0, 2))
    return ops.concatenate([stored, own], axis=2), positions + length
