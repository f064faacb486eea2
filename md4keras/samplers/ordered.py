"""Samplers that choose positions by looking at the state, and what they have in common.

`Planned` ones reveal a number that is known beforehand, `Adaptive` ones as many as they are sure
of.

Where the choice depends on the state alone, the likelihood of what they draw is known exactly; see
`models.order_likelihood`.
"""

import dataclasses

import keras
import numpy as np
from keras import ops

from md4keras.checks import check_name
from md4keras.forward_process import positions
from md4keras.samplers.sampler import Sampler

TIES = ("chance", "first")


class Ordered(Sampler):
    """Chooses which positions to reveal (`chosen`), and draws their tokens from `mu`.

    A subclass is a frozen data class and gives `chosen`.

    Attributes:
        ties: `"chance"` or `"first"`: which of equally good positions come first, those that chance
            chooses or the first in the example. A subclass with a choice has a field of that name.
        by_state: bool, whether with `ties="first"` the choice depends on the state alone.

    Example:

    >>> md4keras.samplers.Confidence(ties="first").by_state
    True
    >>> md4keras.samplers.Confidence(noise_temperature=4.5).by_state
    False
    """

    remembers = True
    ties = "first"
    _mend = "Use noise_temperature=0."

    def __post_init__(self):
        super().__post_init__()
        check_name("ties", self.ties, TIES, "It says which of equally good positions come first.")

    @property
    def by_state(self) -> bool:
        return True

    def chosen(self, logits, zt, s, t, schedule, uniforms, given):
        """Which positions a step reveals.

        Args:
            logits, zt, s, t, schedule: as in `Sampler.step_probabilities`.
            uniforms: float32 tensor like `zt`, which breaks ties; `None` for the first position.
            given: bool tensor like `zt`, what was not masked at the start.

        Returns:
            bool tensor like `zt`, True at masked positions alone.
        """
        raise NotImplementedError

    def step_probabilities(self, logits, zt, s, t, schedule):
        """As `Sampler.step_probabilities`; of equal positions the first ones are revealed."""
        if not self.by_state:
            raise ValueError(
                "Which positions are revealed depends on noise, or on the steps before. Expected a "
                f"choice that depends on the state alone. Received: {self}. {self._mend}"
            )
        zt, mask_token = ops.convert_to_tensor(zt), logits.shape[-1]
        nothing = ops.zeros(zt.shape, dtype="bool")
        revealed = self.chosen(logits, zt, s, t, schedule, None, nothing)
        mu = ops.softmax(self.filter(logits), axis=-1)
        drawn = ops.pad(mu, [(0, 0)] * len(zt.shape) + [(0, 1)])
        kept = ops.one_hot(zt, mask_token + 1, dtype="float32")
        return ops.where(ops.expand_dims(revealed, -1), drawn, kept)

    def step(self, logits, zt, s, t, schedule, noise, memory):
        revealed = self.chosen(logits, zt, s, t, schedule, noise[0], memory.given)
        return ops.where(revealed, self.draw(logits, noise), zt), memory.remembered


class Planned(Ordered):
    """Reveals as many positions as the schedule has planned, those of the highest scores.

    After a step to time `s` at most `round(N (1 - alpha(s)))` of the `N` positions to be filled are
    masked. A step at which that changes nothing is idle: it takes no network call. A subclass gives
    `score`.

    Example:

    >>> states = model.sample_steps(1, sampler="left_to_right", num_steps=4, time_grid="uniform")
    >>> [int((state.tokens == model.mask_token).sum()) for state in states]
    [8, 6, 4, 2, 0]
    """

    def score(self, logits, zt, t, uniforms):
        """How early each position comes, the highest first: float32 tensor like `zt`.

        Of equal scores the first position counts as higher.

        Args:
            logits, zt, t, uniforms: as in `chosen`.
        """
        raise NotImplementedError

    def chosen(self, logits, zt, s, t, schedule, uniforms, given):
        fixed = ops.not_equal(zt, logits.shape[-1])
        due = positions(zt, fixed) - planned_masks(zt, s, schedule, given)  # [B]
        return lowest(-self.score(logits, zt, t, uniforms), fixed, due)

    def is_idle(self, masked, s, schedule, given):
        return reveals_nothing(masked, s, schedule, given)

    def most_calls(self, left, num_steps, fractions=None):
        return planned_calls(left, num_steps, fractions)


def reveals_nothing(masked, s, schedule, given):
    """Whether no row has more masks than are planned after a step to `s`, bool scalar."""
    left = positions(masked, ~masked)  # [B]
    return ops.all(left <= planned_masks(masked, s, schedule, given))


def planned_calls(left, num_steps, fractions=None) -> int:
    """How many steps of a plan reveal something, and the one that fills what it leaves.

    Args:
        left, num_steps, fractions: as in `Sampler.most_calls`.
    """
    if fractions is None:
        return num_steps + 1
    planned = np.concatenate([left[None], np.round(left * fractions())])  # [T + 1, B]
    masks = np.minimum.accumulate(planned)
    return int((np.diff(masks, axis=0) < 0).any(axis=1).sum() + (masks[-1] > 0).any())


def lowest(score, fixed, count):
    """The positions of the lowest scores, of equal ones the first: bool like `score`.

    Args:
        score: float32 tensor `[B, *data_shape]`.
        fixed: bool tensor like it, what is never among them.
        count: float32 tensor `[B]`, how many positions of each row.
    """
    flat = ops.reshape(ops.where(fixed, float("inf"), score), (ops.shape(score)[0], -1))  # [B, N]
    rank = ops.argsort(ops.argsort(flat, axis=-1), axis=-1)  # 0 is the lowest
    found = ops.cast(rank, "float32") < ops.expand_dims(count, -1)
    return ~fixed & ops.reshape(found, ops.shape(score))


def planned_masks(zt, s, schedule, given):
    """The most masks after a step to `s`, float32 `[B]`."""
    fraction = ops.convert_to_tensor(schedule.masked_fraction(s), dtype="float32")
    return ops.round(positions(zt, given) * fraction)


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class LeftToRight(Planned):
    """Reveals, at each step, the first positions that are masked, as many as are planned.

    With as many steps as positions and the uniform grid, one at a time: the order of
    autoregressive models. (Images: row by row.)

    Args:
        filters: see `Sampler`.

    Example:

    >>> sampler, schedule = md4keras.samplers.LeftToRight(), md4keras.schedules.Linear()
    >>> logits, zt = np.log([[[0.6, 0.4]] * 2]), np.array([[2, 2]])
    >>> print(np.asarray(sampler.step_probabilities(logits, zt, 0.5, 1.0, schedule)).round(2))
    [[[0.6 0.4 0. ]
      [0. 0. 1. ]]]
    """

    def score(self, logits, zt, t, uniforms):
        return ops.zeros(ops.shape(zt), dtype="float32")
