"""Sizes that shapes are padded to, so that few of them are compiled."""

import numpy as np

from md4keras import backend
from md4keras.models.batches import Batch


def padded_size(count: int) -> int:
    """The smallest number of the form `2**k` or `3 * 2**k` that is at least `count`."""
    power = 1 << (count - 1).bit_length()
    return 3 * power // 4 if 3 * power // 4 >= count else power


def padded_length(network, length: int) -> int:
    """How many tokens a text of this length is padded to: as many, where it cannot be padded."""
    if len(network.data_shape) != 1 or not getattr(network, "takes_padding_mask", False):
        return length
    usual = network.data_shape[0]
    wanted = min(padded_size(length), usual) if length <= usual else padded_size(length)
    longest = getattr(network, "max_length", None)
    wanted = wanted if longest is None else min(wanted, max(longest, length))
    return max(wanted, length)


def with_padding(network, batch: Batch) -> Batch:
    """A batch of arrays with as many columns as are compiled for; nothing is scored in them."""
    if not backend.COMPILES_EACH_SHAPE or batch.x.ndim != 2:
        return batch
    count, length = batch.x.shape
    columns = padded_length(network, length) - length
    if not columns:
        return batch
    padding_mask = batch.padding_mask
    if padding_mask is None and batch.segment_ids is None:
        padding_mask = np.ones((count, length), "bool")
    longer = {
        "x": batch.x,
        "padding_mask": padding_mask,
        "segment_ids": batch.segment_ids,
        "given": batch.given,
    }
    return batch._replace(
        **{
            name: None if rows is None else np.pad(rows, ((0, 0), (0, columns)))
            for name, rows in longer.items()
        }
    )
