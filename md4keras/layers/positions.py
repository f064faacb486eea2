"""Positions: rotary angles for attention, and trained vectors added to the embedding."""

import math

import numpy as np
from keras import ops

from md4keras.checks import check_whole
from md4keras.layers.base import Layer, register
from md4keras.layers.initializers import Normal

MAX_WAVELENGTH = 10_000.0
"""Of rotary positions, where nothing else is said, as a multiple of `2 pi`."""


def rotary_tables(length, head_dim: int, max_wavelength: float = MAX_WAVELENGTH):
    """Cosines and sines of the angles `m theta^(-2k / head_dim)` at position `m`, for pair `k`.

    Args:
        length: int (or scalar tensor), the number of positions.
        head_dim: int, even.
        max_wavelength: float, `theta`.

    Returns:
        two float32 tensors `[length, head_dim / 2]`.

    Example:

    >>> cos, sin = rotary_tables(2, head_dim=2)  # the angles are 0 and 1
    >>> print(np.asarray(cos).round(3).ravel())
    [1. 0.54]
    """
    return rotary_at(ops.arange(length), head_dim, max_wavelength)


def rotary_at(positions, head_dim: int, max_wavelength: float = MAX_WAVELENGTH):
    """Cosines and sines as in `rotary_tables`, of these positions.

    Args:
        positions: int `[...]`, such as the place of each token `[B, L]`.
        head_dim, max_wavelength: as of `rotary_tables`.

    Returns:
        two float32 tensors `[..., head_dim / 2]`.

    Example:

    >>> cos, sin = rotary_at(np.array([[3, 0]]), head_dim=2)
    >>> print(keras.ops.convert_to_numpy(cos).round(3).ravel())
    [-0.99  1.  ]
    """
    k = ops.arange(head_dim // 2, dtype="float32")
    frequencies = ops.exp(k * (-2.0 * math.log(max_wavelength) / head_dim))
    angles = ops.expand_dims(ops.cast(positions, "float32"), -1) * frequencies
    return ops.cos(angles), ops.sin(angles)


def apply_rotary(x, cos, sin, halves: bool = False):
    """Rotates pairs of features by the angle of their position.

    Args:
        x: float `[B, L, heads, head_dim]`.
        cos, sin: float32 `[L, head_dim / 2]`, from `rotary_tables`, or `[B, L, head_dim / 2]`.
        halves: bool, what makes pair `k`: features `k` and `k + head_dim / 2` (as in Llama), or
            the neighbours `2k` and `2k + 1`.

    Returns:
        tensor like `x`. The inner product of two rotated vectors depends on the distance of their
        positions alone.

    Example:

    >>> x = np.ones((1, 2, 1, 2), "float32")
    >>> y = apply_rotary(x, *rotary_tables(2, head_dim=2))  # by 0 and by 1 radian
    >>> print(keras.ops.convert_to_numpy(y)[0, :, 0].round(3))
    [[ 1.     1.   ]
     [-0.301  1.382]]

    Reference: Su et al. 2021, *RoFormer* (arXiv 2104.09864), Eq. 34.
    """
    half, features = x.shape[-1] // 2, ops.cast(x, "float32")
    if halves:
        a, b = features[..., :half], features[..., half:]  # [B, L, heads, head_dim / 2]
    else:
        pairs = ops.reshape(features, (*ops.shape(x)[:-1], half, 2))
        a, b = pairs[..., 0], pairs[..., 1]  # [B, L, heads, head_dim / 2]
    cos, sin = ops.expand_dims(cos, -2), ops.expand_dims(sin, -2)  # [(B,) L, 1, head_dim / 2]
    rotated = [a * cos - b * sin, a * sin + b * cos]
    if halves:
        return ops.cast(ops.concatenate(rotated, axis=-1), x.dtype)
    return ops.cast(ops.reshape(ops.stack(rotated, axis=-1), ops.shape(x)), x.dtype)


@register
class PositionEmbedding(Layer):
    """Adds to each position of a sequence a trained vector, of variance `1 / dim` at the start.

    Args:
        max_length: int, the number of positions.

    Call arguments:
        x: float `[B, L, dim]`, with `L` at most `max_length`.
        positions: int `[B, L]`, the place of each vector; `None` for that in the row.

    Returns:
        tensor `[B, L, dim]`.

    Raises:
        ValueError: for a longer sequence.

    Example:

    >>> layer = md4keras.layers.PositionEmbedding(16)
    >>> tuple(layer(np.ones((2, 3, 8))).shape)
    (2, 3, 8)
    """

    def __init__(self, max_length: int, **kwargs):
        super().__init__(**kwargs)
        self.max_length = check_whole("max_length", max_length)

    def build(self, x_shape):
        dim = x_shape[-1]
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.max_length, dim),
            initializer=Normal(stddev=dim**-0.5),
        )

    def call(self, x, positions=None):
        if x.shape[1] is not None and x.shape[1] > self.max_length:
            raise ValueError(
                "The sequence has positions that were never learned. Expected a length of at most "
                f"{self.max_length}. Received: length={x.shape[1]}. Cut the sequence, or make the "
                "network with a larger `sequence_length` or with positions='rotary'."
            )
        if positions is not None:
            return x + ops.take(self.embeddings, positions, axis=0)
        return x + self.embeddings[: ops.shape(x)[1]]


def positions_in_segments(segment_ids):
    """The place of each token among those of its segment, and which tokens share one.

    Args:
        segment_ids: int `[B, L]`, equal for the tokens of one document in a row.

    Returns:
        int32 `[B, L]`, how many tokens of the same segment stand before; and bool `[B, L, L]`.

    Example:

    >>> places, same = positions_in_segments(np.array([[1, 1, 2]]))
    >>> np.asarray(places).tolist(), np.asarray(same)[0, 0].tolist()
    ([[0, 1, 0]], [True, True, False])
    """
    same = ops.equal(ops.expand_dims(segment_ids, 2), ops.expand_dims(segment_ids, 1))
    place = ops.cumsum(ops.ones_like(segment_ids), axis=1)  # whatever the length, symbolic too
    before = ops.logical_and(same, ops.expand_dims(place, 1) < ops.expand_dims(place, 2))
    return ops.sum(ops.cast(before, "int32"), axis=-1), same


def attended_and_positions(padding_mask=None, segment_ids=None):
    """What the tokens of a text attend to, and their places, of either input of a network.

    Args:
        padding_mask: bool `[B, L]`, `False` for padding, or `None`.
        segment_ids: int `[B, L]`, equal for the tokens of one document in a row, or `None`.

    Returns:
        the `padding_mask` and the `positions` of a `SelfAttention`. A row that is nothing but
        padding attends to itself.

    Example:

    >>> mask, positions = attended_and_positions(np.array([[True, True, False]]))
    >>> np.asarray(mask).tolist(), positions is None
    ([[True, True, False]], True)
    """
    if segment_ids is not None:
        positions, same = positions_in_segments(segment_ids)
        return same, positions
    if padding_mask is None:
        return None, None
    empty = ops.logical_not(ops.any(padding_mask, axis=-1, keepdims=True))
    # Rotary positions are distances, which padding before a text does not change.
    return ops.logical_or(padding_mask, empty), None


def positions_from_first(padding_mask):
    """The place of each token in its row, counted from the first one that is no padding.

    Args:
        padding_mask: bool `[B, L]`, `False` for padding.

    Returns:
        int32 `[B, L]`; 0 in the padding before.

    Example:

    >>> np.asarray(positions_from_first(np.array([[False, True, True]]))).tolist()
    [[0, 0, 1]]
    """
    real = ops.cast(padding_mask, "int32")
    place = ops.cumsum(ops.ones_like(real), axis=1) - 1  # whatever the length, symbolic too
    first = ops.cast(ops.argmax(real, axis=1, keepdims=True), "int32")
    return ops.maximum(place - first, 0)


def sine_cosine_table(height: int, width: int, dim: int) -> np.ndarray:
    """Sines and cosines of the column, then of the row, of each position of a grid.

    A coordinate `p` takes `dim / 2` columns: `sin(p f_k)`, then `cos(p f_k)`, with
    `f_k = 10000^(-4k / dim)` and `k < dim / 4`.

    Returns:
        float32 array `[height width, dim]`, row after row; `dim` is a multiple of 4.
    """
    frequencies = 10_000.0 ** (-np.arange(dim // 4) / (dim / 4))
    rows, columns = np.indices((height, width)).reshape(2, -1, 1)  # [height width, 1] each
    angles = (columns * frequencies, rows * frequencies)  # [height width, dim / 4] each
    parts = [function(angle) for angle in angles for function in (np.sin, np.cos)]
    return np.concatenate(parts, axis=-1).astype("float32")


@register
class PositionEmbedding2D(Layer):
    """Adds to each position of a grid a trained vector, at the start `sine_cosine_table`.

    Args:
        height: int, rows of the grid.
        width: int, columns of the grid.

    Call arguments:
        x: float `[B, height width, dim]`, row after row, with `dim` a multiple of 4.

    Returns:
        tensor `[B, height width, dim]`.

    Raises:
        ValueError: if the input has another length, or a `dim` that 4 does not divide.

    Example:

    >>> tuple(md4keras.layers.PositionEmbedding2D(4, 4)(np.ones((2, 16, 8))).shape)
    (2, 16, 8)
    """

    def __init__(self, height: int, width: int, **kwargs):
        super().__init__(**kwargs)
        self.height = check_whole("height", height)
        self.width = check_whole("width", width)

    def build(self, x_shape):
        _, length, dim = x_shape
        if length != self.height * self.width or dim % 4:
            raise ValueError(
                "The input does not suit the positions. Expected [batch, "
                f"{self.height * self.width}, a multiple of 4]. Received: shape={tuple(x_shape)}, "
                f"height={self.height}, width={self.width}. Change the grid or the input."
            )
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(length, dim),
            initializer=lambda shape, dtype: ops.convert_to_tensor(
                sine_cosine_table(self.height, self.width, dim), dtype
            ),
        )

    def call(self, x):
        return ops.add(x, self.embeddings)
