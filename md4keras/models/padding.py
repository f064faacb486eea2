"""Sizes that shapes are padded to, so that few of them are compiled."""

import numpy as np

from md4keras import backend, distribution
from md4keras.models.batches import Batch
from md4keras.samplers.states import Start


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


def padded_start(start: Start, network) -> Start:
    """The start of a run with complete rows and columns added: nothing is drawn there.

    Few sizes are compiled, whatever sizes are asked for, and all devices have a part of the rows.
    """
    count, *shape = start.z.shape
    rows = (0, 0)
    if start.cache is None:  # its maker has added these rows
        rows = (0, distribution.whole_rows(padded_size(count)) - count)
    columns, padding_mask = (0, 0), start.padding_mask
    if len(shape) == 1:
        (length,) = shape
        columns = (0, padded_length(network, length) - length)
        if columns[1] and padding_mask is None and start.segment_ids is None:
            padding_mask = np.ones((count, length), "bool")
    layout = {"padding_mask": padding_mask, "segment_ids": start.segment_ids}
    for name, each in layout.items():
        if each is not None:
            layout[name] = np.pad(np.pad(each, (rows, (0, 0)), mode="edge"), ((0, 0), columns))
    masks = {"ahead": start.ahead, "prompt": start.prompt}
    return Start(
        np.pad(start.z, (rows, columns, *((0, 0),) * (len(shape) - 1))),
        None if start.labels is None else np.pad(start.labels, rows),
        np.pad(start.time, rows, constant_values=1.0),
        **layout,
        cache=start.cache,
        **{n: None if mask is None else np.pad(mask, (rows, columns)) for n, mask in masks.items()},
    )
