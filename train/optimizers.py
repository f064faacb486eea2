"""Optimizers of the recipes: warm-up, cosine decay, averaged weights."""

import math

import keras
from keras import ops

from md4keras.checks import RATE, Interval, check_name, check_number, check_whole

RATES = ("decay", "hold")


def adamw(
    steps: int,
    learning_rate: float,
    warmup_steps: int,
    weight_decay: float,
    beta_2: float = 0.999,
    ema_momentum: float = 0.9999,
    extensions: tuple = (),
) -> keras.optimizers.Optimizer:
    """AdamW as every published configuration has it: cosine decay, averaged weights, no clipping.

    Args:
        steps: int, steps in all; the warm-up takes at most a tenth of them.
        learning_rate: float, the highest rate.
        warmup_steps: int, of the linear warm-up from zero.
        weight_decay, beta_2: of AdamW; the decay is of all parameters.
        ema_momentum: float, of the averaged weights that are evaluated and saved.
        extensions: steps that were added to the end of a run; see `learning_rate`.

    Reference: Shi et al. 2024 (arXiv 2406.04329) and the code published with it.
    """
    return keras.optimizers.AdamW(
        rate(steps, learning_rate, warmup_steps, extensions),
        epsilon=1e-8 * math.log(2),  # published: 1e-8, of a gradient in bits; ours is in nats
        **_checked(weight_decay=weight_decay, beta_2=beta_2, ema_momentum=ema_momentum),
    )


def clipped_adamw(
    steps: int,
    learning_rate: float,
    warmup_steps: int,
    weight_decay: float = 0.03,
    beta_2: float = 0.99,
    ema_momentum: float = 0.99,
    extensions: tuple = (),
) -> keras.optimizers.Optimizer:
    """AdamW for short runs, which is not published: clipped at norm 1, and of a faster average.

    Args:
        steps, learning_rate, warmup_steps, weight_decay, beta_2: as in `adamw`.
        ema_momentum, extensions: as in `adamw`.
    """
    return keras.optimizers.AdamW(
        rate(steps, learning_rate, warmup_steps, extensions),
        global_clipnorm=1.0,
        **_checked(weight_decay=weight_decay, beta_2=beta_2, ema_momentum=ema_momentum),
    )


def muon(
    steps: int,
    learning_rate: float,
    warmup_steps: int,
    weight_decay: float = 0.03,
    ema_momentum: float = 0.99,
    extensions: tuple = (),
) -> keras.optimizers.Optimizer:
    """Muon for the matrices, AdamW for the rest: far fewer steps for small transformers.

    Reference: Jordan et al. 2024, *Muon: an optimizer for hidden layers*; Liu et al. 2025
    (arXiv 2502.16982).

    Args:
        steps, learning_rate, warmup_steps, weight_decay, ema_momentum, extensions: as in `adamw`.
    """
    return keras.optimizers.Muon(
        rate(steps, learning_rate, warmup_steps, extensions),
        **_checked(weight_decay=weight_decay, ema_momentum=ema_momentum),
    )


def rate(steps: int, learning_rate: float, warmup_steps: int, extensions: tuple = ()):
    """The learning rate by step: `cosine_decay`, or that of the last extension.

    Args:
        steps, learning_rate, warmup_steps: as in `cosine_decay`.
        extensions: dictionaries of `updates` (the optimizer's count of steps at the start, from
            which skipped ones are missing), `steps` and `rate` (`"decay"` or `"hold"`), of which
            the last counts.
    """
    mend = "Use 1e-3, for instance."
    check_number("learning_rate", learning_rate, Interval(0, 100, with_low=False), mend)
    check_whole("warmup_steps", warmup_steps, 0)
    if not extensions:
        return cosine_decay(steps, learning_rate, warmup_steps)
    last = extensions[-1]
    check_name("rate", last["rate"], RATES)
    # A held rate is the beginning of an endless decay.
    decays_over = last["steps"] if last["rate"] == "decay" else 10**9
    warmup_steps = min(warmup_steps, max(1, last["steps"] // 10))
    return Later(cosine_decay(decays_over, learning_rate, warmup_steps), last["updates"])


def cosine_decay(steps: int, learning_rate: float, warmup_steps: int):
    """Linear warm-up from zero over at most a tenth of the steps, then a cosine to zero."""
    warmup_steps = min(warmup_steps, max(1, steps // 10))
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, steps - warmup_steps),
        warmup_target=learning_rate,
        warmup_steps=warmup_steps,
    )


class Later(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule that begins at a later step."""

    def __init__(self, schedule, start: int):
        self.schedule, self.start = schedule, start

    def __call__(self, step):
        return self.schedule(ops.maximum(step - self.start, 0))

    def get_config(self):
        return {"schedule": self.schedule, "start": self.start}


def _checked(weight_decay, ema_momentum, beta_2=None) -> dict:
    """The arguments that our optimizers share, as Keras takes them."""
    check_number("weight_decay", weight_decay, Interval(), "Use 0.01, for instance.")
    check_number("ema_momentum", ema_momentum, RATE, "Use 0.99 for short runs, 0.9999 for long.")
    arguments = dict(weight_decay=weight_decay, use_ema=True, ema_momentum=ema_momentum)
    if beta_2 is not None:
        check_number("beta_2", beta_2, RATE, "Use 0.99, for instance.")
        arguments["beta_2"] = beta_2
    return arguments
