"""Steps in which the positions of a sample were decided, and the colours that show them."""

from itertools import pairwise

import numpy as np

from md4keras.checks import check_integers, check_whole

__all__ = ["masked_again", "reveal_steps", "step_colours"]

GIVEN_COLOUR = (221, 221, 221)  # lighter than most steps: a middle grey is teal to the colour-blind

# Viridis at ten equally spaced points; even in lightness, with and without red-green vision.
_RED = 68, 72, 62, 49, 38, 31, 53, 109, 180, 253
_GREEN = 1, 40, 74, 104, 130, 158, 183, 205, 222, 231
_BLUE = 84, 120, 137, 142, 142, 137, 121, 89, 44, 37


def reveal_steps(states, mask_token: int) -> np.ndarray:
    """The step in which each position got its final value.

    Where a sampler masks positions again, the last change counts.

    Args:
        states: int `[num_steps + 1, batch, *data_shape]`, first state first: the tokens of
            `model.sample_steps`. The last has no masks.
        mask_token: int, the token of a masked position.

    Returns:
        int32 `[batch, *data_shape]` in `[0, num_steps]`: 0 where the first state was kept.

    Raises:
        ValueError: for what is no trajectory, or one that is not finished.

    Example:

    >>> reveal_steps([[[9, 9, 5]], [[9, 2, 5]], [[1, 2, 5]]], mask_token=9)
    array([[2, 1, 0]], dtype=int32)
    """
    mend = "Stack the tokens of the states of `model.sample_steps`."
    states = check_integers("states", states, ("num_steps + 1", "batch", "length", ...), mend=mend)
    masks = int((states[-1] == mask_token).sum())
    if masks:
        raise ValueError(
            "The trajectory is not finished. Expected no masks in its last state. "
            f"Received: {masks} of them, mask_token={mask_token!r}. "
            "Pass every state up to the last one, first state first."
        )
    steps = np.zeros(states.shape[1:], "int32")  # [batch, *data_shape]
    for step, (zt, zs) in enumerate(pairwise(states), start=1):
        steps[zs != zt] = step
    return steps


def masked_again(states, mask_token: int) -> np.ndarray:
    """Where a position is masked that was revealed in a state before.

    Args:
        states: int `[num_steps + 1, batch, *data_shape]`, first state first.
        mask_token: int, the token of a masked position.

    Returns:
        bool like `states`.

    Example:

    >>> masked_again([[[9, 9]], [[9, 2]], [[1, 9]]], mask_token=9)[-1]
    array([[False,  True]])
    """
    mend = "Stack the tokens of the states of `model.sample_steps`."
    states = check_integers("states", states, ("num_steps + 1", "batch", "length", ...), mend=mend)
    masked = states == mask_token
    return masked & np.logical_or.accumulate(~masked, axis=0)


def step_colours(steps, num_steps: int) -> np.ndarray:
    """A colour for each step: from dark violet (the first) over green to yellow (the last).

    The scale is viridis, which is perceptually even and safe for the colour-blind; positions that
    were given (step 0) are light grey, `GIVEN_COLOUR`.

    Args:
        steps: int, any shape, in `[0, num_steps]`, such as `reveal_steps` of a text, or
            `reveal_steps(...).max(-1)` of images: the step that completed the pixel.
        num_steps: int, the number of the last step.

    Returns:
        uint8 `[*steps.shape, 3]`, red, green and blue.

    Raises:
        ValueError: for what are no such steps.

    Example:

    >>> step_colours([0, 1, 4], num_steps=4).tolist()[0]  # what was given is grey
    [221, 221, 221]

    Reference: Smith and van der Walt 2015, *The default colour map of Matplotlib*.
    """
    mend = "Pass the number of states less one, and what `reveal_steps` makes of them."
    check_whole("num_steps", num_steps, mend=mend)
    steps = check_integers("steps", steps, (...,), num_steps + 1, mend, least=0)
    place = (steps - 1) / max(1, num_steps - 1) * (len(_RED) - 1)
    anchors = np.arange(len(_RED))
    colours = np.stack([np.interp(place, anchors, band) for band in (_RED, _GREEN, _BLUE)], -1)
    return np.where((steps == 0)[..., None], GIVEN_COLOUR, colours.round()).astype("uint8")
