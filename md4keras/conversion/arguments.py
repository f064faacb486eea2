"""The constructor arguments of the published classes `MD4` and `GenMD4`, and their defaults."""

import math

import numpy as np

from md4keras.checks import RATE, Interval, is_whole
from md4keras.conversion.entries import BOOL, at_least, number, one_of
from md4keras.weights_file import MOST_POSITIONS

EXPONENTS = "params/noise_schedule/w"
"""The parameter of `GenMD4` from which its exponents are made, `[V]`."""


def _are_sizes(value) -> bool:
    listed = isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.ndim == 1)
    return listed and len(value) > 0 and all(is_whole(size) and size >= 1 for size in value)


_NAME = (lambda value: isinstance(value, str), "the name of a schedule")
_SIZES = (_are_sizes, "a list of ints, at least 1 each")
_DATA_SHAPE = (
    lambda value: (
        _are_sizes(value) and len(value) in (1, 3) and math.prod(map(int, value)) <= MOST_POSITIONS
    ),
    f"[length] or [height, width, channels], at most {MOST_POSITIONS} tokens; it has no default",
)

_SHARED = {
    "data_shape": (None, _DATA_SHAPE),
    "cont_time": (False, BOOL),
    "timesteps": (1000, at_least(1)),
    "feature_dim": (128, at_least(1)),
    "num_heads": (12, at_least(1)),
    "antithetic_time_sampling": (True, BOOL),
    "n_layers": (32, at_least(0)),
    "n_dit_layers": (0, at_least(0)),
    "dit_num_heads": (12, at_least(1)),
    "dit_hidden_size": (768, at_least(1)),
    "ch_mult": ((1,), _SIZES),
    "vocab_size": (256, at_least(1)),
    "noise_schedule_type": ("linear", _NAME),
    "dropout_rate": (0.0, number(RATE)),
    "use_attn_dropout": (True, BOOL),
    "mlp_type": ("swiglu", one_of("swiglu", "geglu", "glu")),
    "depth_scaled_init": (False, BOOL),
    "cond_type": ("adaln", one_of("adaln", "adaln_zero")),
    "outside_embed": (False, BOOL),
    "time_features": ("t", one_of("t", "none")),
    "classes": (11, (is_whole, "an int; 0 or below for a model without classes")),
}
MD4_ARGUMENTS = {
    **_SHARED,
    "sampler": ("analytic", one_of("analytic", "ancestral", "mean", "topp")),
    "sampling_grid": ("cosine", one_of("uniform", "cosine")),
    "topp": (0.98, number(Interval(0, 1, with_low=False))),
    "model_sharding": (False, BOOL),
}
"""The published default of each argument of `MD4`, its test, and what that expects in words."""

GENMD4_ALONE = {
    "power_init": (1.0, number(Interval(with_low=False))),
    "t1": (1e-3, number(Interval(0, 1, with_low=False, with_high=False))),
}
"""Arguments that `GenMD4` has and `MD4` has not."""

GENMD4_ARGUMENTS = {**_SHARED, **GENMD4_ALONE, "noise_schedule_type": ("poly", _NAME)}
"""As `MD4_ARGUMENTS`, of `GenMD4`, which has no sampler."""


def is_genmd4(constructor: dict, params: dict) -> bool:
    """Whether anything says `GenMD4`: an argument or parameter that `MD4` has not, or its schedule.

    MD4's polynomial schedules name their exponent (`"poly2"`), GenMD4's is plain `"poly"`.
    """
    if constructor.get("noise_schedule_type") == "poly":
        return True
    return EXPONENTS in params or not GENMD4_ALONE.keys().isdisjoint(constructor)
