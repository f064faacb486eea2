"""Checks of what a model is given, made where it is handed over."""

import numbers

import numpy as np
from keras import ops

from md4keras.checks import as_array, check_has, check_integers

_NETWORK_ATTRIBUTES = ("vocabulary_size", "data_shape", "num_classes", "time_conditioned")


def check_network(network) -> None:
    """Raises a `ValueError` unless the object has what a model reads of a network."""
    mend = "Take a model from `md4keras.networks`."
    check_has("a denoising network", network, _NETWORK_ATTRIBUTES, mend)


def check_time(time, batch_size: int):
    """A time for each example, float32 tensor `[B]` or scalar."""
    if isinstance(time, (numbers.Real, np.ndarray, list, tuple)):
        values = np.asarray(time, dtype="float32")
        if not ((values >= 0.0) & (values <= 1.0)).all():
            raise ValueError(f"Times lie in [0, 1]. Received: time={time!r}")
    elif time is None:
        raise ValueError(
            "The network is given the time. Expected a number or [B] in [0, 1]. Received: time=None"
        )
    time = ops.convert_to_tensor(time, dtype="float32")
    if tuple(time.shape) not in ((), (batch_size,)):
        raise ValueError(
            f"Each example has one time. Expected a number or shape ({batch_size},). "
            f"Received: time of shape={tuple(time.shape)}"
        )
    return time


def check_tokens_alone(network, x, name: str = "tokens", allow_mask: bool = False):
    """Checks tokens (values too, where they are a host array) and returns an int32 tensor."""
    if isinstance(x, (np.ndarray, list, tuple)):
        x = as_array(name, x)
        check_host_tokens(network, x, name, allow_mask)
    x = ops.convert_to_tensor(x)
    check_shape(network, tuple(x.shape))
    if "int" not in str(x.dtype):
        raise ValueError(
            "Tokens are whole numbers. Expected an integer data type. Received: dtype="
            f"{x.dtype}. Quantise the data to {network.vocabulary_size} levels."
        )
    return _as_int32(x)


def check_tokens(network, x, labels=None, name: str = "tokens", allow_mask: bool = False):
    """Checks a batch (values too, where it is a host array) and returns int32 tensors."""
    x = check_tokens_alone(network, x, name, allow_mask)
    if isinstance(labels, (np.ndarray, list, tuple)):
        labels = np.asarray(labels)
        check_host_labels(network, labels)
    if network.num_classes and labels is None:
        raise ValueError(
            f"The network has {network.num_classes} classes, but no labels were given. Expected "
            "`fit(tokens, labels)` or data sets of (tokens, labels). Received: labels=None"
        )
    if labels is None:
        return x, None
    _check_has_classes(network)
    labels = ops.convert_to_tensor(labels)
    if "int" not in str(labels.dtype):
        raise ValueError(
            "Labels are class ids. Expected an integer data type. Received: labels of dtype="
            f"{labels.dtype}. Give the number of each example's class."
        )
    labels = _as_int32(labels)
    if len(labels.shape) != 1 or labels.shape[0] != x.shape[0]:
        raise ValueError(
            f"Labels are one class id per example. Expected shape ({x.shape[0]},). Received: "
            f"shape={tuple(labels.shape)}"
        )
    return x, labels


def id_limits(network) -> dict[str, int]:
    """The ids that a batch may have lie below these: of `"tokens"`, and of `"labels"` if any."""
    limits = {"tokens": network.vocabulary_size}
    if network.num_classes:
        limits["labels"] = _num_labels(network)
    return limits


def check_range(network, name: str, ends, place: str) -> None:
    """Raises a `ValueError` if a compiled step met values that cannot be used.

    Args:
        name: `"sample_weight"`, or a key of `id_limits`.
        ends: the smallest and the largest value met, or 0.
        place: where they were met, for the message.
    """
    if name == "sample_weight":
        return check_weights(ends, f"{place}, which was left out")
    low, high = int(ends[0]), int(ends[1])
    below = id_limits(network)[name]
    if not 0 <= low <= high < below:
        mend = _LABELS_MEND if name == "labels" else _tokens_mend(network)
        raise ValueError(
            f"`{name}` cannot be used: values out of range. Expected integers in [0, {below}). "
            f"Received: values from {low} to {high} in {place}, which was left out. "
            f"{mend}"
        )


def check_weights(weights: np.ndarray, place: str = "them") -> None:
    """Raises a `ValueError` unless sample weights are finite and none is negative."""
    bad = ~(np.isfinite(weights) & (weights >= 0))
    if bad.any():
        raise ValueError(
            "Sample weights are what nats count. Expected finite numbers of at least 0. Received: "
            f"{weights[bad][0]:g} among {place}. Leave out the examples that are not wanted, or "
            "give them the weight 0."
        )


def check_host_tokens(
    network, x: np.ndarray, name: str = "tokens", allow_mask: bool = False
) -> None:
    """Checks shape, data type and values of tokens on the host."""
    check_no_text(x, name)
    check_shape(network, x.shape)
    limit = network.vocabulary_size + allow_mask
    check_integers(name, x, ("B", ...), limit, _tokens_mend(network))


def check_is_text(network, name: str) -> None:
    """Raises a `ValueError` for what an argument asks of texts, of a network of images."""
    if len(network.data_shape) != 1:
        raise ValueError(
            f"Only text is generated block by block, or from a prompt. Expected a network of "
            f"sequences along with `{name}`. Received: data_shape={tuple(network.data_shape)}. "
            "Use `generate` without it, or `infill`."
        )


def check_no_text(x: np.ndarray, name: str) -> None:
    """Raises a `ValueError` that says what to do with strings in the place of tokens."""
    if x.dtype.kind in "USO":
        raise ValueError(
            f"`{name}` holds text. Expected ids, whole numbers [B, *data_shape]. Received: "
            f"{name}={str(x)[:60]}. Encode it: `model.tokenizer.encode(text)[None]`; for a text "
            "with gaps `tokens, mask = md4keras.data.gaps.parse_gaps(text, model.tokenizer)`."
        )


def check_host_labels(network, labels: np.ndarray, count: int | str = "B") -> None:
    """Checks shape, data type and values of labels on the host."""
    _check_has_classes(network)
    check_integers("labels", labels, (count,), _num_labels(network), _LABELS_MEND, least=0)


def check_sampling_labels(network, labels, num_samples: int):
    """Labels for `num_samples` samples, int32 `[num_samples]`, or `None` without classes."""
    if labels is None:
        if network.num_classes:
            raise ValueError(
                f"The network has {network.num_classes} classes. Expected labels for the samples. "
                "Received: labels=None. Give one id, or one per sample."
            )
        return None
    labels = np.asarray(labels)
    if labels.ndim == 0:
        labels = np.full((num_samples,), labels)
    check_host_labels(network, labels, num_samples)
    return labels.astype("int32")


def check_shape(network, shape) -> None:
    """Raises a `ValueError` unless a batch of tokens has this shape; texts may have any length."""
    expected = tuple(network.data_shape)
    same_rank = len(shape) == len(expected) + 1
    if not same_rank or (len(expected) > 1 and tuple(shape[1:]) != expected):
        wanted = "[B, length]" if len(expected) == 1 else f"[B, {', '.join(map(str, expected))}]"
        one = len(shape) == len(expected) and (len(expected) == 1 or tuple(shape) == expected)
        grey = len(expected) == 3 and tuple(shape[1:]) + (1,) == expected
        mend = "Reshape them."
        if one or grey:
            mend = (
                "One example is a batch of one: `tokens[None]`."
                if one
                else ("The channel is an axis of its own: `tokens[..., None]`.")
            )
        raise ValueError(
            f"Tokens have the wrong shape. Expected {wanted}. Received: shape={tuple(shape)}. "
            f"{mend}"
        )
    longest = getattr(network, "max_length", None)
    if longest is not None and (shape[1] or 0) > longest:
        raise ValueError(
            "The text has positions that were never learned. Expected a length of at most "
            f"{longest}. Received: length={shape[1]}. Cut the text, or make the network with a "
            "larger `sequence_length` or with positions='rotary'."
        )


_LABELS_MEND = (
    "Labels are one class id per example; `model.recipe['class_names'].index(name)` is that of a "
    "name, for a model of a recipe."
)


def _tokens_mend(network) -> str:
    return (
        "Build the network with a larger vocabulary_size, check the tokenizer, or quantise the "
        f"images to {network.vocabulary_size} levels."
    )


def _num_labels(network) -> int:
    # The id num_classes is the null label of a network with label dropout.
    return network.num_classes + bool(getattr(network, "label_dropout", 0.0))


def _as_int32(ids):
    """Ids as int32; what does not fit becomes the largest or smallest that does.

    (Of a data set, JAX and TensorFlow have cut them to 32 bits before.)
    """
    if str(ids.dtype).removeprefix("torch.") in ("int64", "uint32", "uint64"):
        ids = ops.clip(ids, -(2**31) if "uint" not in str(ids.dtype) else 0, 2**31 - 1)
    return ops.cast(ids, "int32")


def _check_has_classes(network) -> None:
    if not network.num_classes:
        raise ValueError(
            "Labels were given to a network without classes. Expected tokens alone, or a "
            "network built with `num_classes`. Received: num_classes=None"
        )
