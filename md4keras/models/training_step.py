"""A training step: a batch, what each of its rows counts, and what was drawn for it."""

from typing import Any, NamedTuple

from keras import ops

from md4keras.models.batches import Batch


class Step(NamedTuple):
    """A batch and what is random about a training step, dropout excepted; tensors.

    Attributes:
        batch: a `Batch`.
        weight: float32 `[B]`, of each example's nats in the loss; those of positions, if they have
            weights of their own, hold these already.
        time: float32 `[B]`, or like the tokens.
        maskings: tuple of tensors like the tokens, masked at `time`.
    """

    batch: Batch
    weight: Any
    time: Any
    maskings: tuple


def row_weights(batch: Batch, counted):
    """What each example's nats count in the loss, a mean over the scored positions: `[B]`.

    Args:
        batch: a `Batch` of tensors.
        counted: bool tensor `[B]`, the rows that count, or `None` for all.
    """
    num_rows, scored = ops.shape(batch.x)[0], ops.cast(batch.num_scored(), "float32")
    weight = ops.ones((num_rows,), dtype="float32")
    if batch.row_weight is not None:
        weight = weight * batch.row_weight
    rows = None if counted is None else ops.cast(counted, "float32")
    if batch.unscored is None:
        return weight / (ops.cast(num_rows if rows is None else ops.sum(rows), "float32") * scored)
    return weight / ops.maximum(ops.sum(scored if rows is None else scored * rows), 1.0)
