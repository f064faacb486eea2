"""Block diffusion's attention: which tokens see which, where a row comes in blocks.

Reference: Arriola et al. 2025, *Block Diffusion* (arXiv 2503.09573), Section 3.2 and Appendix B.6.
"""

from keras import ops

from md4keras.layers.positions import positions_from_first


def attended_in_blocks(blocks):
    """What the tokens of a text in blocks attend to, and their places.

    A token sees its own block and those before it.

    Args:
        blocks: int `[B, L]` (or `[1, L]`, the same in all rows), the number of each token's block,
            from 0 on, never falling along a row; -1 for padding, which sees padding alone.

    Returns:
        the `padding_mask`, bool `[B, L, L]`, and the `positions`, int32 `[B, L]`, of a
        `SelfAttention`.

    Example:

    >>> mask, positions = attended_in_blocks(np.array([[0, 0, 1]]))
    >>> keras.ops.convert_to_numpy(mask)[0].astype(int).tolist()
    [[1, 1, 0], [1, 1, 0], [1, 1, 1]]
    """
    same, before = _compared(blocks)
    return ops.logical_or(same, before), positions_from_first(blocks >= 0)


def attended_by_noised(blocks):
    """What the noised tokens of a text in blocks attend to, beside a clean stream of the same text.

    They see the clean tokens of the blocks before their own, and the noised ones of their own. (The
    clean tokens see clean ones alone: `attended_in_blocks`. Both have the same places.)

    Args:
        blocks: as of `attended_in_blocks`.

    Returns:
        bool `[B, L, 2 L]`, clean tokens and then noised ones, the `padding_mask` of
        `SelfAttention.attend_after`.

    Example:

    >>> mask = attended_by_noised(np.array([[0, 0, 1]]))
    >>> keras.ops.convert_to_numpy(mask)[0].astype(int).tolist()
    [[0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 0], [1, 1, 0, 0, 0, 1]]
    """
    same, before = _compared(blocks)
    return ops.concatenate([before, same], axis=2)


def _compared(blocks):
    """Whether the second token is in the first one's block, and in one before it, `[B, L, L]`."""
    query, key = ops.expand_dims(blocks, 2), ops.expand_dims(blocks, 1)
    return ops.equal(query, key), ops.logical_and(key >= 0, key < query)


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
