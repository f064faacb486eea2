"""Checks of what sampling and scoring are given."""

import numpy as np

from md4keras.models import validation


def check_temperature(temperature) -> None:
    """Raises a `ValueError` unless the temperature is a number of at least 1e-4."""
    if not (validation.is_number(temperature) and 1e-4 <= temperature < float("inf")):
        raise ValueError(
            "The temperature divides the logits. Expected a number of at least 1e-4. "
            f"Received: temperature={temperature!r}. 1.0 samples from the model as it is; "
            "smaller values give likelier, less varied samples."
        )


def check_start_time(start_time) -> None:
    """Raises a `ValueError` unless the start is a time with something masked."""
    if not (validation.is_number(start_time) and 0.0 < start_time <= 1.0):
        raise ValueError(
            "`start_time` is the time of the first state. Expected 'auto' or a number in (0, 1]. "
            f"Received: start_time={start_time!r}"
        )


def check_guidance(network, guidance_scale) -> None:
    """Raises a `ValueError` where guidance makes no sense."""
    if not (validation.is_number(guidance_scale) and 0.0 <= guidance_scale < float("inf")):
        raise ValueError(
            "`guidance_scale` must be a number, at least 0. "
            f"Received: guidance_scale={guidance_scale!r}. 1 is the conditional model itself."
        )
    if guidance_scale != 1.0 and not getattr(network, "label_dropout", 0.0):
        raise ValueError(
            "Guidance needs a network that was trained with and without labels. Expected "
            "`num_classes` and a `label_dropout` above 0, such as 0.1. "
            f"Received: guidance_scale={guidance_scale}, label_dropout=0. Use guidance_scale=1."
        )


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
    validation.check_host_labels(network, labels)
    if labels.shape != (num_samples,):
        raise ValueError(
            f"Each sample needs one label. Expected {num_samples} labels. "
            f"Received: shape={labels.shape}"
        )
    return labels.astype("int32")


def check_infilling(network, tokens, mask):
    """The first state of infilling, int32, and the masked fraction of each row, float32 `[B]`."""
    tokens = np.array(tokens)
    validation.check_shape(network, tokens.shape)
    if not tokens.size:
        raise ValueError(f"There is nothing to fill. Received: tokens of shape={tokens.shape}")
    mask = _check_mask("mask", mask, tokens.shape)
    fraction = mask.reshape(len(mask), -1).mean(axis=1)
    if not fraction.all():
        raise ValueError(
            f"The mask leaves nothing to fill in row {int(np.argmin(fraction))}. Expected at least "
            "one True in each row. Drop the rows that are complete."
        )
    tokens[mask] = 0
    validation.check_host_tokens(network, tokens)
    return np.where(mask, network.vocabulary_size, tokens).astype("int32"), fraction.astype("f4")


def check_scoring(network, x, given):
    """Tokens to score, int32, and what is given, bool like them or `None`."""
    x = np.asarray(x)
    validation.check_host_tokens(network, x)
    if given is None:
        return x.astype("int32"), None
    given = _check_mask("given", given, x.shape)
    complete = given.reshape(len(given), -1).all(axis=1)
    if complete.any():
        raise ValueError(
            f"`given` leaves nothing to score in row {int(np.argmax(complete))}. Expected at least "
            "one False in each row."
        )
    return x.astype("int32"), given


def _check_mask(name, mask, shape) -> np.ndarray:
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.shape not in (shape, shape[1:]):
        raise ValueError(
            f"`{name}` is a mask, a truth value for each token. Expected booleans of shape "
            f"{shape} or {shape[1:]}. Received: shape={mask.shape}, dtype={mask.dtype}. "
            f"`{name}.astype(bool)` makes one of 0 and 1."
        )
    return np.broadcast_to(mask, shape)


def check_text_length(network) -> int:
    """The training length of a text network."""
    if len(network.data_shape) != 1:
        raise ValueError(
            "Only text is generated block by block. Expected a network of sequences. "
            f"Received: data_shape={network.data_shape}. Use `generate`."
        )
    return network.data_shape[0]


def check_prompt(network, prompt, num_samples: int) -> np.ndarray:
    """The tokens to continue, int32 `[num_samples, P]`; `P` is 0 without a prompt."""
    if prompt is None:
        return np.zeros((num_samples, 0), dtype="int32")
    prompt = np.asarray(prompt)
    if prompt.ndim not in (1, 2) or (prompt.ndim == 2 and len(prompt) != num_samples):
        raise ValueError(
            f"`prompt` holds the tokens to continue. Expected shape [P] or [{num_samples}, P]. "
            f"Received: shape={prompt.shape}"
        )
    if prompt.size:
        validation.check_host_tokens(network, np.atleast_2d(prompt))
    return np.broadcast_to(prompt, (num_samples, prompt.shape[-1])).astype("int32")


def check_data_shape(network, data_shape) -> tuple[int, ...]:
    """The shape of one sample: the network's own, or a text length of the caller's."""
    if data_shape is None:
        return tuple(network.data_shape)
    shape = tuple(np.atleast_1d(data_shape).tolist())
    validation.check_shape(network, (1, *shape))
    for size in shape:
        validation.check_positive_int("data_shape", size)
    return shape
