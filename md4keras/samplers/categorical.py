"""Exact draws from a categorical distribution given by logits."""

from keras import ops

_BLOCK = 256  # values; the sums over so many lose no more than the uniform's own resolution


def sample_categorical(logits, uniforms):
    """Draws one value per row by the inverse of the cumulative distribution.

    One uniform a row, exact to the resolution of float32 whatever the vocabulary: above 256
    values, first a block of 256 and then a value in it, so that no small probability is added to a
    large sum and lost. (The usual `argmax(logits - log(-log(u)))` with a float32 `u` never draws a
    Gumbel above about 16, and loses what competes with a large mass.) A value of zero probability
    is never drawn.

    Args:
        logits: float tensor `[..., V]`.
        uniforms: float32 tensor `[...]` in `[0, 1)`.

    Returns:
        int32 tensor `[...]`.
    """
    probabilities = ops.softmax(ops.cast(logits, "float32"), axis=-1)
    values, leading = probabilities.shape[-1], tuple(ops.shape(probabilities)[:-1])
    if values <= _BLOCK:
        return _invert(probabilities, uniforms)[0]
    padding = [(0, 0)] * len(leading) + [(0, -values % _BLOCK)]
    blocks = ops.reshape(ops.pad(probabilities, padding), (*leading, -1, _BLOCK))
    block, rest = _invert(ops.sum(blocks, axis=-1), uniforms)
    inside = ops.take_along_axis(blocks, block[..., None, None], axis=-2)[..., 0, :]
    return block * _BLOCK + _invert(inside, rest)[0]


def _invert(masses, uniforms):
    """The value at the place `u` of the cumulated masses `[..., n]`, and how far into it `u` is."""
    cumulative = ops.cumsum(masses, axis=-1)
    reachable = ops.where(masses > 0.0, cumulative, 0.0)
    total = ops.max(reachable, axis=-1, keepdims=True)
    # u <= 1 - 2**-24, so u * total < total: some possible value always lies above.
    place = ops.expand_dims(uniforms, -1) * total
    value = ops.cast(ops.argmax(ops.cast(reachable > place, "int32"), axis=-1), "int32")
    mass, end = (
        ops.take_along_axis(each, value[..., None], axis=-1) for each in (masses, cumulative)
    )
    within = (place - (end - mass)) / mass
    return value, ops.clip(within, 0.0, 1.0 - 2.0**-24)[..., 0]
