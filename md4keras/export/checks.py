"""Checks of a request inside the graph. What they refuse reaches the client as INVALID_ARGUMENT.

A check is an operation that fails with a message; `after` makes tensors wait for it, so that
nothing is computed, and no memory taken, for a request that is refused.
"""

import tensorflow as tf


def after(checks, tensors):
    """The tensor, or dictionary of tensors, available once all checks have passed."""
    with tf.control_dependencies(checks):
        return tf.nest.map_structure(tf.identity, tensors)


def within(low, high, above: bool = False, or_zero: bool = False):
    """A check that `low <= value <= high` (`low < value` with `above`), for every element.

    With `or_zero`, 0 passes too.

    As `one_of` it returns a function of the input's name and value. NaN is refused.
    """

    def check(name: str, value):
        inside = (value > low if above else value >= low) & (value <= high)
        expected = f"{low} {'<' if above else '<='} {name} <= {high}{', or 0' if or_zero else ''}"
        if or_zero:
            inside = inside | tf.equal(value, 0)
        message = f"{name} is out of range. Expected {expected}. Received: {name} ="
        return [_require(inside, message, value)]

    return check


def one_of(choices):
    """A check that a string is one of the choices."""

    def check(name: str, value):
        message = f"Unknown {name}. Expected one of: {', '.join(choices)}. Received: {name} ="
        return [_require(tf.reduce_any(tf.equal(value, list(choices))), message, value)]

    return check


def not_above(request: dict, first: str, second: str):
    """One number is at most another."""
    return _require(
        request[first] <= request[second],
        f"{first} is above {second}. Expected {first} <= {second}. Received: {first}, {second} =",
        [request[first], request[second]],
    )


def count_in(name: str, unit: str, count, most: int):
    """Between 1 and `most`, for every count of such units."""
    message = f"{name} is too large, or empty. Expected 1 to {most} {unit}. Received: {unit} ="
    return _require((count >= 1) & (count <= most), message, count)


def in_vocabulary(name: str, tokens, highest: int):
    """Tokens between 0 and `highest`."""
    # Of an empty tensor these are the ends of the type, which pass; `count_in` refuses it.
    low, high = tf.reduce_min(tokens), tf.reduce_max(tokens)
    return _require(
        (low >= 0) & (high <= highest),
        f"{name} outside the vocabulary. Expected values in [0, {highest}]. Received: smallest and "
        "largest =",
        [low, high],
    )


def same_shape(request: dict, first: str, second: str):
    """A tensor has the shape of the first, and may have further axes."""
    rank = len(request[first].shape)
    shapes = [tf.shape(request[first]), tf.shape(request[second])[:rank]]
    message = f"{second} is not like {first}. Expected the shape of {first}. Received: shapes ="
    return _require(tf.equal(*shapes), message, shapes)


def count_is(name: str, vector, count):
    """A vector with as many elements as there are samples."""
    return _require(
        tf.equal(tf.size(vector), count),
        f"{name} has the wrong size. Expected one value for each sample. Received: numbers of "
        "values and samples =",
        [tf.size(vector), count],
    )


def rows_are(name: str, found, expected):
    """As many rows as there have to be."""
    return _require(
        tf.equal(found, expected),
        f"{name} has the wrong size. Expected a row for each row of tokens, and one more for each "
        "with guidance. Received: rows, and rows expected =",
        [found, expected],
    )


def whole_blocks(name: str, stored, size: int):
    """Tokens that are stored are those of whole blocks."""
    return _require(
        tf.equal(stored % size, 0),
        f"{name} are not those of whole blocks. Expected a multiple of {size} tokens, as an answer "
        "of next_block returns them. Received: tokens =",
        stored,
    )


def something_to_fill(name: str, mask):
    """Every row has at least one True."""
    per_row = tf.reduce_any(tf.reshape(mask, (tf.shape(mask)[0], -1)), axis=1)
    return _require(
        per_row,
        f"{name} leaves nothing to fill in a row. Expected at least one gap in each row. "
        "Received: rows that have one =",
        per_row,
    )


def something_drawn(tokens):
    """No token is -1, which is drawn where the filters leave nothing, or the network gives NaN."""
    return _require(
        tf.reduce_min(tokens) >= 0,
        "The filters left nothing to draw, or the network gave NaN. Expected logits of which one "
        "is above -1e7 and none is infinite or NaN. Received: the smallest token =",
        tf.reduce_min(tokens),
    )


def equal_lengths(name: str, lengths):
    """All rows of a text have as many tokens as the first."""
    return _require(
        tf.equal(lengths, lengths[:1]),
        f"{name} holds rows of different lengths. Expected as many tokens in each row of one "
        "request; texts of another length go into a request of their own. Received: lengths =",
        lengths,
    )


def known_characters(name: str, known, codes):
    """No code point is outside the alphabet."""
    strange = tf.boolean_mask(codes, tf.logical_not(known))[:8]
    return _require(
        known,
        f"{name} holds characters outside the alphabet. Expected those that the model was trained "
        "on. Received: among others",
        tf.strings.unicode_encode(tf.expand_dims(strange, -1), "UTF-8"),
    )


def _require(conditions, message: str, received):
    received = tf.convert_to_tensor(received)
    if received.dtype == tf.string:  # a long message would not reach a client of gRPC at all
        received = tf.strings.substr(received, 0, 40)
    return tf.debugging.Assert(tf.reduce_all(conditions), [message, received], summarize=8)
