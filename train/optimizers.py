"""Optimizers of the recipes: warm-up, cosine decay, averaged weights."""

import math

import keras


def adamw(
    steps: int,
    learning_rate: float,
    warmup_steps: int,
    weight_decay: float,
    beta_2: float = 0.999,
    ema_momentum: float = 0.9999,
) -> keras.optimizers.Optimizer:
    """AdamW as every published configuration has it: cosine decay, averaged weights, no clipping.

    Args:
        steps: int, steps in all; the warm-up takes at most a tenth of them.
        learning_rate: float, the highest rate.
        warmup_steps: int, of the linear warm-up from zero.
        weight_decay, beta_2: of AdamW; the decay is of all parameters.
        ema_momentum: float, of the averaged weights that are evaluated and saved.

    Reference: Shi et al. 2024 (arXiv 2406.04329) and the code published with it.
    """
    return keras.optimizers.AdamW(
        cosine_decay(steps, learning_rate, warmup_steps),
        weight_decay=weight_decay,
        beta_2=beta_2,
        epsilon=1e-8 * math.log(2),  # published: 1e-8, of a gradient in bits; ours is in nats
        use_ema=True,
        ema_momentum=ema_momentum,
    )


def clipped_adamw(
    steps: int, learning_rate: float, warmup_steps: int
) -> keras.optimizers.Optimizer:
    """AdamW for short runs, which is not published: clipped at norm 1, and of a faster average.

    Args:
        steps, learning_rate, warmup_steps: as in `adamw`.
    """
    return keras.optimizers.AdamW(
        cosine_decay(steps, learning_rate, warmup_steps),
        weight_decay=0.03,
        beta_2=0.99,
        global_clipnorm=1.0,
        use_ema=True,
        ema_momentum=0.99,
    )


def muon(steps: int, learning_rate: float, warmup_steps: int) -> keras.optimizers.Optimizer:
    """Muon for the matrices, AdamW for the rest: far fewer steps for small transformers.

    Reference: Jordan et al. 2024, *Muon: an optimizer for hidden layers*; Liu et al. 2025
    (arXiv 2502.16982).

    Args:
        steps, learning_rate, warmup_steps: as in `adamw`.
    """
    return keras.optimizers.Muon(
        cosine_decay(steps, learning_rate, warmup_steps),
        weight_decay=0.03,
        use_ema=True,
        ema_momentum=0.99,
    )


def cosine_decay(steps: int, learning_rate: float, warmup_steps: int):
    """Linear warm-up from zero over at most a tenth of the steps, then a cosine to zero."""
    warmup_steps = min(warmup_steps, max(1, steps // 10))
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(1, steps - warmup_steps),
        warmup_target=learning_rate,
        warmup_steps=warmup_steps,
    )
