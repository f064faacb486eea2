"""Checks of a request inside the graph. What they refuse reaches the client as INVALID_ARGUMENT.

Each function returns an operation that fails with a message; `after` makes tensors wait for them,
so that nothing is computed, and no memory taken, for a request that is refused.
"""

import tensorflow as tf


def after(checks, tensors: dict) -> dict:
    """The tensors, available once all checks have passed."""
    with tf.control_dependencies(checks):
        return {name: tf.identity(tensor) for name, tensor in tensors.items()}


def in_range(name: str, value, low, high, above: bool = False):
    """`low <= value <= high` (`low < value` with `above`), for every element; NaN is refused."""
    inside = (value > low if above else value >= low) & (value <= high)
    sign = "<" if above else "<="
    return _require(
        tf.reduce_all(inside),
        f"{name} is out of range. Expected {low} {sign} {name} <= {high}. Received: {name} =",
        value,
    )


def not_above(first: str, one, second: str, other):
    """One number is at most another."""
    return _require(
        one <= other,
        f"{first} is above {second}. Expected {first} <= {second}. Received: {first}, {second} =",
        tf.stack([one, other]),
    )


def one_of(name: str, value, choices):
    """A string that is one of the choices."""
    return _require(
        tf.reduce_any(tf.equal(value, list(choices))),
        f"Unknown {name}. Expected one of: {', '.join(choices)}. Received: {name} =",
        value,
    )


def count_in(name: str, unit: str, count, most: int):
    """Between 1 and `most`, for every count of such units."""
    return _require(
        tf.reduce_all((count >= 1) & (count <= most)),
        f"{name} is too large, or empty. Expected 1 to {most} {unit}. Received: {unit} =",
        count,
    )


def in_vocabulary(name: str, tokens, highest: int):
    """Tokens between 0 and `highest`."""
    # Of an empty tensor these are the ends of the type, which pass; `count_in` refuses it.
    low, high = tf.reduce_min(tokens), tf.reduce_max(tokens)
    return _require(
        (low >= 0) & (high <= highest),
        f"{name} outside the vocabulary. Expected values in [0, {highest}]. Received: smallest and "
        "largest =",
        tf.stack([low, high]),
    )


def same_shape(first: str, one, second: str, other):
    """Two tensors of equal rank have the same shape."""
    return _require(
        tf.reduce_all(tf.equal(tf.shape(one), tf.shape(other))),
        f"{second} is not like {first}. Expected the shape of {first}. Received: shapes =",
        tf.stack([tf.shape(one), tf.shape(other)]),
    )


def count_is(name: str, vector, count):
    """A vector with as many elements as there are samples."""
    return _require(
        tf.equal(tf.size(vector), count),
        f"{name} has the wrong size. Expected one value for each sample. Received: numbers of "
        "values and samples =",
        tf.stack([tf.size(vector), count]),
    )


def something_to_fill(name: str, mask):
    """Every row has at least one True."""
    per_row = tf.reduce_any(tf.reshape(mask, (tf.shape(mask)[0], -1)), axis=1)
    return _require(
        tf.reduce_all(per_row),
        f"{name} leaves nothing to fill in a row. Expected at least one gap in each row. "
        "Received: rows that have one =",
        per_row,
    )


def equal_lengths(name: str, lengths):
    """All rows of a text have as many tokens as the first."""
    return _require(
        tf.reduce_all(tf.equal(lengths, lengths[:1])),
        f"{name} holds rows of different lengths. Expected as many tokens in each row of one "
        "request. Received: lengths =",
        lengths,
    )


def known_characters(name: str, known, codes):
    """No code point is outside the alphabet."""
    strange = tf.boolean_mask(codes, tf.logical_not(known))[:8]
    return _require(
        tf.reduce_all(known),
        f"{name} holds characters outside the alphabet. Expected those that the model was trained "
        "on. Received: among others",
        tf.strings.unicode_encode(tf.expand_dims(strange, -1), "UTF-8"),
    )


def _require(condition, message: str, received):
    if received.dtype == tf.string:  # a long message would not reach a client of gRPC at all
        received = tf.strings.substr(received, 0, 40)
    return tf.debugging.Assert(condition, [message, received], summarize=8)
