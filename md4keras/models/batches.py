"""A batch: tokens and labels, which positions are attended to and scored, and how much they count.

Whatever `fit`, `evaluate`, `score` and `infill` are given becomes a `Batch`, here alone.
"""

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from md4keras import forward_process
from md4keras.checks import as_array, check_integers, check_mask
from md4keras.models import validation

KEYS = ("tokens", "label", "padding_mask", "given", "segment_ids", "sample_weight")
"""What a batch that is a dictionary may hold; `"tokens"` it must."""


class Batch(NamedTuple):
    """Tokens, and what is known about them: tensors, or arrays on the host.

    Where nothing is padded, given or weighed, all but the first two are `None`.

    Attributes:
        x: int32 `[B, *data_shape]`, 0 in the padding.
        labels: int32 `[B]`, or `None`.
        padding_mask: bool `[B, L]`, `False` in the padding, or `None`.
        segment_ids: int32 `[B, L]`, the number of each token's document, 0 in the padding, or
            `None`; never along with a padding mask.
        given: bool like `x`, what is known: attended to, never masked and not scored; or `None`.
        weight: float32 `[B]` or like `x`, what each nat of an example or a position counts, or
            `None` for 1.
    """

    x: Any
    labels: Any = None
    padding_mask: Any = None
    segment_ids: Any = None
    given: Any = None
    weight: Any = None

    @property
    def layout(self) -> dict:
        """What the network is told about the positions."""
        return {"padding_mask": self.padding_mask, "segment_ids": self.segment_ids}

    @property
    def padding(self):
        """Where there is no token, bool `[B, L]`, or `None` for nowhere."""
        if self.segment_ids is not None:
            return self.segment_ids <= 0
        return None if self.padding_mask is None else ops.logical_not(self.padding_mask)

    @property
    def unscored(self):
        """What is never masked and not scored, bool like `x`, or `None` for nothing."""
        parts = [part for part in (self.padding, self.given) if part is not None]
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else ops.logical_or(*parts)

    @property
    def row_weight(self):
        """The weight of each example, `[B]`, or `None`."""
        return self.weight if self.weight is not None and len(self.weight.shape) == 1 else None

    @property
    def position_weight(self):
        """The weight of each position, like `x`, or `None`."""
        return self.weight if self.weight is not None and len(self.weight.shape) > 1 else None

    def num_scored(self):
        """How many positions of an example are scored: a number, or float32 `[B]`."""
        return forward_process.positions(self.x, self.unscored)

    def scored_weight(self):
        """As `num_scored`, by the positions' own weights where they have some."""
        return forward_process.positions(self.x, self.unscored, self.position_weight)


def entries(x, y=None, given=None) -> dict:
    """What is given as tokens and labels, or as a dictionary, under all `KEYS`; `None` if not.

    Raises:
        ValueError: for unknown keys, and where labels or `given` are given twice.
    """
    if not isinstance(x, dict):
        return dict.fromkeys(KEYS) | {"tokens": x, "label": y, "given": given}
    if "tokens" not in x or set(x) - set(KEYS):
        raise ValueError(
            "A batch given as a dictionary holds 'tokens' and what else is known about them. "
            f"Expected keys among {[*KEYS]}. Received: keys {sorted(map(str, x))}. Rename or "
            "leave out the others."
        )
    beside = {"label": y, "given": given}
    for name, value in beside.items():
        if value is not None and x.get(name) is not None:
            raise ValueError(
                f"'{name}' is given twice. Expected it in the dictionary, or beside it. Received: "
                f"keys {sorted(x)}, and an argument. Leave one of them out."
            )
    return {name: beside.get(name) if x.get(name) is None else x[name] for name in KEYS}


def arranged(network, x, y=None, weight=None, given=None) -> Batch:
    """The parts of a batch, of shapes and types that fit; ids and labels are left to check.

    Args:
        network: a network.
        x: tokens, or a dictionary with `KEYS`.
        y, weight, given: labels, sample weights and what is given, where `x` does not hold them.
    """
    found = entries(x, y, given)
    tokens, padding_mask, segment_ids = (
        _host(name, found[name]) for name in ("tokens", "padding_mask", "segment_ids")
    )
    given = _host("given", found["given"])
    weights = [_host("sample_weight", each) for each in (weight, found["sample_weight"])]
    weights = [each for each in weights if each is not None]
    if padding_mask is None and segment_ids is None and given is None and not weights:
        return Batch(tokens, found["label"])
    if isinstance(tokens, np.ndarray):
        validation.check_no_text(tokens, "tokens")
    shape = tuple(tokens.shape)
    validation.check_shape(network, shape)
    check_takes(network, {"padding_mask": padding_mask, "segment_ids": segment_ids})
    padding_mask, given = (
        None if mask is None else _mask_like(name, mask, tokens)
        for name, mask in {"padding_mask": padding_mask, "given": given}.items()
    )
    if segment_ids is not None:
        segment_ids = _segments(segment_ids, tokens)
        if padding_mask is not None:
            segment_ids = _where(padding_mask, segment_ids, 0)
            padding_mask = None
    weight = _weight_of(weights, tokens)
    batch = Batch(tokens, found["label"], padding_mask, segment_ids, given, weight)
    if padding_mask is not None or segment_ids is not None:  # whatever stands in the padding
        real = padding_mask if segment_ids is None else segment_ids > 0
        batch = batch._replace(x=_where(real, tokens, 0))
    return batch


def as_tensors(network, batch: Batch, name: str = "tokens", allow_mask: bool = False) -> Batch:
    """An arranged batch with its ids checked (values too, where they are host arrays)."""
    x, labels = validation.check_tokens(network, batch.x, batch.labels, name, allow_mask)
    others = (None if each is None else ops.convert_to_tensor(each) for each in batch[2:])
    return Batch(x, labels, *others)


def on_host(batch: Batch) -> Batch:
    """The same batch, its tensors as NumPy arrays."""
    return Batch(*map(to_array, batch))


def to_array(values):
    """A tensor as a NumPy array; others as they are."""
    return ops.convert_to_numpy(values) if ops.is_tensor(values) else values


def check_has_scored(batch: Batch, purpose: str) -> None:
    """Raises a `ValueError` for the first row of a batch on the host that leaves nothing to do.

    Args:
        batch: arrays.
        purpose: a verb, such as "score".
    """
    if batch.unscored is None:
        return
    unscored = to_array(batch.unscored)
    complete = unscored.reshape(len(unscored), -1).all(axis=1)
    if complete.any():
        what = "given" if batch.padding is None else "padding_mask"
        raise ValueError(
            f"`{what}` leaves nothing to {purpose} in row {int(np.argmax(complete))}. Expected at "
            "least one position in each row that is neither given nor padding. Drop the rows that "
            "are known or empty."
        )


def from_lists(found: dict) -> tuple[dict, list | None]:
    """Rows of different lengths as arrays, with zeros behind them.

    Args:
        found: dictionary with `"tokens"`, and others that are like them.

    Returns:
        The dictionary, with a `"padding_mask"` where the rows differ in length, and the lengths,
        or `None` where they do not.
    """
    rows = found["tokens"]
    if not isinstance(rows, (list, tuple)):
        return found, None
    rows = [as_array("tokens", row) for row in rows if not isinstance(row, str)]
    lengths = [len(row) if row.ndim == 1 else None for row in rows]
    if len(rows) < len(found["tokens"]) or None in lengths or len(set(lengths)) < 2:
        return found, None
    if found.get("padding_mask") is not None:
        raise ValueError(
            "The lengths of the rows say what is padding. Expected rows of one length along with a "
            f"padding mask. Received: lengths {lengths[:8]}, padding_mask. Leave out the mask."
        )
    arrays = {"padding_mask": np.arange(max(lengths)) < np.array(lengths)[:, None]}
    for name, values in found.items():
        if name not in ("label", "padding_mask") and values is not None:
            arrays[name] = _joined(name, values, lengths)
    return found | arrays, lengths


def _joined(name: str, rows, lengths: list) -> np.ndarray:
    """Rows of these lengths, `[B, longest]`."""
    rows = [np.asarray(row) for row in rows] if isinstance(rows, (list, tuple)) else rows
    if not isinstance(rows, list) or [row.shape for row in rows] != [(n,) for n in lengths]:
        shapes = [row.shape for row in rows][:8] if isinstance(rows, list) else np.shape(rows)
        raise ValueError(
            f"`{name}` does not fit the rows of tokens. Expected a list of arrays of the lengths "
            f"{lengths[:8]}. Received: {name} of shapes {shapes}. Give one array a row."
        )
    rows = [row.astype("int32") if row.size == 0 and name == "tokens" else row for row in rows]
    return np.stack([np.pad(row, (0, max(lengths) - len(row))) for row in rows])


def _host(name: str, values):
    """Lists as arrays; others as they are, if they have a number of axes."""
    if isinstance(values, (list, tuple, str)):
        return as_array(name, values)
    if getattr(getattr(values, "shape", None), "rank", 0) is None:
        raise ValueError(
            f"TensorFlow does not know how many axes `{name}` has. Expected one number of axes in "
            f"all batches. Received: {name} of unknown shape. Say it in the data set, with "
            "`tf.ensure_shape`; weights are either [B] everywhere or like the tokens everywhere."
        )
    return values


def _where(condition, values, other: int):
    """`where` on the host for arrays, and else for tensors."""
    if isinstance(values, np.ndarray):
        return np.where(to_array(condition), values, other)
    return ops.where(condition, values, ops.full_like(values, other))


def check_takes(network, layout: dict) -> None:
    """Raises a `ValueError` if a network knows neither padding nor several documents in a row."""
    for name, value in layout.items():
        if value is not None and not getattr(network, f"takes_{name}", False):
            raise ValueError(
                f"This network takes no '{name}'. Expected a network whose `takes_{name}` is true, "
                f"such as `md4keras.networks.Transformer`. Received: a {type(network).__name__}. "
                f"Leave out '{name}'; what is known of an image is 'given'."
            )


def _mask_like(name: str, mask, tokens):
    """A truth value for each token; for images one for all channels will do."""
    shape = tuple(tokens.shape)
    if isinstance(mask, np.ndarray) and None not in shape:
        return np.array(check_mask(name, mask, shape))
    mask = ops.convert_to_tensor(mask)
    if len(shape) == 4 and len(mask.shape) == 3:
        mask = ops.broadcast_to(ops.expand_dims(mask, -1), ops.shape(tokens))
    if "bool" not in str(mask.dtype) or not _fit(mask.shape, shape):
        raise ValueError(
            f"`{name}` is a mask, a truth value for each token. Expected booleans of shape "
            f"{shape}. Received: shape={tuple(mask.shape)}, dtype={mask.dtype}. "
            f"`{name}.astype(bool)` makes one of 0 and 1."
        )
    return mask


def _segments(segment_ids, tokens):
    """The numbers of documents, int32 like the tokens."""
    shape = tuple(tokens.shape)
    mend = "0 is padding; the documents of a row are 1, 2, ..."
    if isinstance(segment_ids, np.ndarray) and None not in shape:
        check_integers("segment_ids", segment_ids, shape, 2**31, mend)
        return segment_ids.astype("int32")
    segment_ids = ops.convert_to_tensor(segment_ids)
    if "int" not in str(segment_ids.dtype) or not _fit(segment_ids.shape, shape):
        raise ValueError(
            "`segment_ids` number the documents of a row. Expected integers of shape "
            f"{shape}. Received: shape={tuple(segment_ids.shape)}, dtype={segment_ids.dtype}. "
            f"{mend}"
        )
    return ops.cast(segment_ids, "int32")


def _weight_of(weights: list, tokens):
    """The product of weights, float32 `[B]` or like the tokens, or `None` for none."""
    shape, product = tuple(tokens.shape), None
    for weight in weights:
        if not (_fit(weight.shape, shape[:1]) or _fit(weight.shape, shape)):
            raise ValueError(
                "`sample_weight` says what examples or positions count. Expected shape "
                f"{shape[:1]} or {shape}. Received: shape={tuple(weight.shape)}. Broadcast it."
            )
        on_host = isinstance(weight, np.ndarray)  # of a whole set, perhaps
        weight = weight.astype("float32") if on_host else ops.cast(weight, "float32")
        if product is not None:
            low, high = sorted((product, weight), key=lambda each: len(each.shape))
            missing = (None,) * (len(high.shape) - len(low.shape))
            weight = low[(slice(None), *missing)] * high if missing else low * high
        product = weight
    return product


def _fit(shape, wanted) -> bool:
    """Whether shapes are equal, as far as they are known."""
    sizes = zip(tuple(shape), tuple(wanted), strict=False)
    return len(shape) == len(wanted) and all(a == b or None in (a, b) for a, b in sizes)
