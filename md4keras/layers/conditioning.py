"""Conditioning: what a network is told besides the tokens, the time and the class label.

Everything here computes in float32 whatever the dtype policy, because in bfloat16 the time 0.999
is 1.0.
"""

import math

import keras
from keras import ops

from md4keras.checks import RATE, check_number, check_whole
from md4keras.layers.base import Layer, register
from md4keras.layers.initializers import Normal
from md4keras.layers.policies import in_float32
from md4keras.layers.projections import dense


@register
class TimeEmbedding(Layer):
    """Sinusoidal embedding of the diffusion time: sines, then cosines.

    Column `k < d/2` is `sin(1000 t f_k)` with `f_k = exp(-ln(10000) k / (d/2 - 1))`, so that the
    last frequency is 1/10000, or with `f_k = exp(-ln(10000) k / (d/2))`; the cosines follow in the
    same order, and one column of zeros where `d` is odd. Always float32.

    Args:
        dim: int, at least 4: the size `d` of the embedding.
        scale: float that multiplies the time; 1000 brings `[0, 1]` to the range that the
            frequencies were made for.
        with_last: bool, whether the frequencies end at 1/10000, or one before it.

    Call arguments:
        time: float `[B]`, in `[0, 1]`, or whatever else has a scale of its own.

    Returns:
        float32 tensor `[B, dim]`.

    Example:

    >>> embedding = md4keras.layers.TimeEmbedding(dim=4)(np.array([0.0], "float32"))
    >>> print(keras.ops.convert_to_numpy(embedding))
    [[0. 0. 1. 1.]]

    Reference: Vaswani et al. 2017, *Attention Is All You Need* (arXiv 1706.03762), Section 3.5.
    """

    def __init__(self, dim: int, scale: float = 1000.0, with_last: bool = True, **kwargs):
        kwargs["autocast"] = False
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.dim = check_whole("dim", dim, 4)
        self.scale = scale
        self.with_last = bool(with_last)
        self.built = True

    def call(self, time):
        half = self.dim // 2
        k = ops.arange(half, dtype="float32")
        frequencies = ops.exp(k * (-math.log(10_000) / (half - self.with_last)))  # [half]
        time = ops.cast(time, "float32") * self.scale
        angles = ops.expand_dims(time, -1) * frequencies  # [B, half]
        embedding = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)  # [B, 2 half]
        if self.dim % 2:
            embedding = ops.pad(embedding, [[0, 0], [0, 1]])  # [B, dim]
        return embedding

    def compute_output_shape(self, time_shape):
        return (*time_shape, self.dim)


@register
class LabelEmbedding(Layer):
    """Table of class embeddings, with labels dropped at random in training.

    With `dropout > 0` the table has one more row, of the null label `num_classes`, which stands
    for "no label" and by which training replaces each label with that probability; classifier-free
    guidance needs it. With `dropout == 0` the table has `num_classes` rows, as published.

    Args:
        num_classes: int.
        dim: int, the size of the embedding.
        dropout: float in `[0, 1)`, the probability of a label being dropped in training.
        seed: int or `None`, of the dropout.

    Call arguments:
        label: int `[B]`, class ids, or the null label where `dropout > 0`.
        training: bool.

    Returns:
        float32 tensor `[B, dim]`.

    Example:

    >>> tuple(md4keras.layers.LabelEmbedding(num_classes=10, dim=8)(np.array([3, 7])).shape)
    (2, 8)

    Reference: Ho and Salimans 2022, *Classifier-Free Diffusion Guidance* (arXiv 2207.12598).
    """

    def __init__(self, num_classes: int, dim: int, dropout: float = 0.0, seed=None, **kwargs):
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.num_classes = check_whole("num_classes", num_classes)
        self.dim = check_whole("dim", dim)
        self.dropout = float(check_number("dropout", dropout, RATE))
        self.seed = seed

    def build(self, label_shape):
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.num_classes + (self.dropout > 0), self.dim),
            initializer=Normal(stddev=self.dim**-0.5),
        )
        if self.dropout > 0:
            self.seed_generator = keras.random.SeedGenerator(self.seed, name="random")

    def call(self, label, training=None):
        label = ops.cast(label, "int32")
        if training and self.dropout > 0:
            draw = keras.random.uniform(ops.shape(label), seed=self.seed_generator)
            label = ops.where(draw < self.dropout, self.num_classes, label)
        return ops.take(self.embeddings, label, axis=0)  # [B, dim]

    def compute_output_shape(self, label_shape):
        return (*label_shape, self.dim)


@register
class ConditioningMLP(Layer):
    """Dense 4d, swish, Dense d: from the joined embeddings to the conditioning vector.

    Args:
        dim: int, the size `d` of the conditioning vector.
        hidden_dim: int, the size of the hidden layer; `None` for `4d`.

    Call arguments:
        embedding: float `[B, any]`, the embedding of the time, with that of the label behind it.

    Returns:
        float32 tensor `[B, dim]`.

    Example:

    >>> tuple(md4keras.layers.ConditioningMLP(dim=8)(np.ones((2, 16))).shape)
    (2, 8)
    """

    def __init__(self, dim: int, hidden_dim: int | None = None, **kwargs):
        super().__init__(**{**kwargs, "dtype": in_float32(kwargs.get("dtype"))})
        self.dim = check_whole("dim", dim)
        self.hidden_dim = None if hidden_dim is None else check_whole("hidden_dim", hidden_dim)
        self.hidden = dense(hidden_dim or 4 * dim, self.dtype_policy, "hidden")
        self.projection = dense(dim, self.dtype_policy, "projection")

    def build(self, embedding_shape):
        self.hidden.build(embedding_shape)
        self.projection.build((*embedding_shape[:-1], self.hidden.units))

    def call(self, embedding):
        return self.projection(ops.silu(self.hidden(embedding)))

    def compute_output_shape(self, embedding_shape):
        return (*embedding_shape[:-1], self.dim)


def check_conditioning(conditioned: bool, conditioning) -> None:
    """Raises a `ValueError` unless a vector (or its shape) is given to a block made for one."""
    if (conditioning is not None) != conditioned:
        raise ValueError(
            "The block was made for other inputs. Expected a conditioning vector exactly if it "
            f"was made for one. Received: conditioned={conditioned}, conditioning={conditioning!r}"
            ". Change the block or its inputs."
        )
