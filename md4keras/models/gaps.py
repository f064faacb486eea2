"""Rows with gaps, as `infill` is given them or nothing but gaps, and how they come back."""

from typing import NamedTuple

import numpy as np

from md4keras.checks import as_array, check_integers, check_mask, check_sizes, check_whole
from md4keras.models import batches, validation
from md4keras.models.batches import Batch


class Gaps(NamedTuple):
    """Rows with gaps, as arrays.

    Attributes:
        z: int32 `[B, *data_shape]`, the mask token in the gaps, 0 in the padding.
        batch: a `Batch`, what else is known of the rows.
        fraction: float32 `[B]`, the part of each row's tokens that the gaps take.
        tokens: int32 `[B, *data_shape]`, as they were given, padding and all.
        lengths: ints, of rows that are lists, or `None`.
        ahead: bool `[B, L]`, the gaps that are left for later runs, or `None`.
        prompt: bool `[B, L]`, the tokens of a prompt, or `None`.
        ends: ints, the tokens of which one that is drawn ends a text.
    """

    z: np.ndarray
    batch: Batch
    fraction: np.ndarray
    tokens: np.ndarray
    lengths: list | None
    ahead: np.ndarray | None = None
    prompt: np.ndarray | None = None
    ends: tuple = ()

    def filled(self, z: np.ndarray):
        """The rows with what was drawn in their gaps; a list if they are of many lengths."""
        if self.batch.padding is not None:
            z = np.where(batches.to_array(self.batch.padding), self.tokens, z)
        if self.ahead is not None:
            z = np.where(self.ahead, self.z, z)
        if self.lengths is None:
            return z
        return [row[:length] for row, length in zip(z, self.lengths, strict=True)]


def find_gaps(network, tokens, mask=None, labels=None) -> Gaps:
    """The gaps in rows of tokens.

    Args:
        network: a network.
        tokens: as for `infill`.
        mask: bool, what is to be filled; `None` for what the tokens, a dictionary, do not give.
        labels: as for `infill`.

    Raises:
        ValueError: for a bad argument, or a row without a gap.
    """
    found, lengths = batches.from_lists({**batches.entries(tokens, labels), "mask": mask})
    mask, given = found.pop("mask"), found.pop("given")
    tokens = np.array(as_array("tokens", batches.to_array(found["tokens"])))
    validation.check_no_text(tokens, "tokens")
    validation.check_shape(network, tokens.shape)
    if (mask is None) == (given is None):
        raise ValueError(
            "`mask` says what is to be filled, or 'given' in a dictionary what is not. Expected "
            "one of them, booleans of the shape of `tokens`. Received: "
            f"mask{'=None' if mask is None else ' and given'}. "
            "`tokens == model.mask_token` marks the masks among them."
        )
    if not tokens.size:
        raise ValueError(f"There is nothing to fill. Received: tokens of shape={tokens.shape}")
    name, values = ("mask", mask) if given is None else ("given", given)
    mask = check_mask(name, batches.to_array(values), tokens.shape)
    mask = np.array(mask if given is None else ~mask)
    batch = batches.on_host(batches.arranged(network, found | {"tokens": tokens}))
    num_tokens = np.prod(tokens.shape[1:])
    if batch.padding is not None:
        real = ~batches.to_array(batch.padding)
        mask, num_tokens = mask & real, np.maximum(real.sum(axis=1), 1)
    fraction = mask.reshape(len(mask), -1).sum(axis=1) / num_tokens
    if not fraction.all():
        raise ValueError(
            f"The mask leaves nothing to fill in row {int(np.argmin(fraction))}. Expected at least "
            "one True in each row. Drop the rows that are complete."
        )
    x = np.where(mask, 0, batch.x)
    validation.check_host_tokens(network, x)
    labels = validation.check_sampling_labels(network, batch.labels, len(x))
    z = np.where(mask, network.vocabulary_size, x).astype("int32")
    return Gaps(
        z, batch._replace(labels=labels), fraction.astype("f4"), tokens.astype("int32"), lengths
    )


def all_masked(network, num_samples: int, labels=None, data_shape=None, length=None) -> Gaps:
    """Rows that are one gap each, of the shape of `network`'s examples or of another.

    Args:
        network: a network.
        num_samples, labels, data_shape, length: as for `generate`.

    Raises:
        ValueError: for a bad argument.
    """
    check_whole("num_samples", num_samples)
    shape, lengths = tuple(network.data_shape), None
    if length is not None:
        if len(shape) != 1 or data_shape is not None:
            raise ValueError(
                "`length` is the shape of a text. Expected a network of sequences, and no "
                f"`data_shape`. Received: length={length!r}, data_shape={data_shape!r}, "
                f"network.data_shape={shape}. Leave `length` out."
            )
        lengths = check_lengths(length, num_samples)
        data_shape = (length if lengths is None else max(lengths),)
    if data_shape is not None:
        shape = check_sizes("data_shape", np.atleast_1d(data_shape).tolist())
        validation.check_shape(network, (1, *shape))
    labels = validation.check_sampling_labels(network, labels, num_samples)
    z, padding_mask = np.full((num_samples, *shape), network.vocabulary_size, "int32"), None
    if lengths is not None and len(set(lengths)) > 1:
        padding_mask = np.arange(max(lengths)) < np.array(lengths)[:, None]
        batches.check_takes(network, {"padding_mask": padding_mask})
        z[~padding_mask] = 0
    batch = Batch(z, labels, padding_mask)
    return Gaps(z, batch, np.ones((num_samples,), "float32"), z, lengths)


def check_lengths(length, num_samples: int) -> list | None:
    """The length of each text, or `None` where one number is that of all."""
    if not isinstance(length, (list, tuple, np.ndarray)):
        check_whole("length", length)
        return None
    mend = "Give a number of tokens for each sample, or one for all."
    lengths = check_integers("length", length, (num_samples,), mend=mend).tolist()
    check_whole("length", min(lengths), mend=mend)
    return lengths
