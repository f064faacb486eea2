"""Exact draws from a categorical distribution given by logits."""

from keras import ops


def sample_categorical(logits, uniforms):
    """Draws one value per row by the inverse of the cumulative distribution.

    One uniform a row, exact to the resolution of float32 whatever the vocabulary. (The usual
    `argmax(logits - log(-log(u)))` with a float32 `u` never draws a Gumbel above about 16, and
    loses what competes with a large mass.) A value of zero probability is never drawn.

    Args:
        logits: float tensor `[..., V]`.
        uniforms: float32 tensor `[...]` in `[0, 1)`.

    Returns:
        int32 tensor `[...]`.
    """
    probabilities = ops.softmax(ops.cast(logits, "float32"), axis=-1)
    possible = probabilities > 0.0
    cumulative = ops.cumsum(probabilities, axis=-1)
    cumulative = ops.where(possible, cumulative, ops.zeros_like(cumulative))
    total = ops.max(cumulative, axis=-1, keepdims=True)
    # u <= 1 - 2**-24, so u * total < total: some possible value always lies above.
    above = cumulative > ops.expand_dims(uniforms, -1) * total
    return ops.cast(ops.argmax(ops.cast(above, "int32"), axis=-1), "int32")
