"""The constructor arguments of the published classes `MD4` and `GenMD4`, and their defaults."""

import numpy as np

from md4keras.checks import RATE, Interval, is_number, is_whole

EXPONENTS = "params/noise_schedule/w"
"""The parameter of `GenMD4` from which its exponents are made, `[V]`."""


def _are_sizes(value) -> bool:
    listed = isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.ndim == 1)
    return listed and len(value) > 0 and all(is_whole(size) and size >= 1 for size in value)


def _at_least(least: int):
    return lambda value: is_whole(value) and value >= least, f"an int, at least {least}"


def _one_of(*names: str):
    return lambda value: isinstance(value, str) and value in names, f"one of {names}"


def _number(interval):
    return lambda value: is_number(value) and value in interval, f"a number {interval}"


_BOOL = (lambda value: isinstance(value, (bool, np.bool_)), "True or False")
_NAME = (lambda value: isinstance(value, str), "the name of a schedule")
_SIZES = (_are_sizes, "a list of ints, at least 1 each")
_DATA_SHAPE = (
    lambda value: _are_sizes(value) and len(value) in (1, 3),
    "[length] or [height, width, channels]; it has no default",
)

_SHARED = {
    "data_shape": (None, _DATA_SHAPE),
    "cont_time": (False, _BOOL),
    "timesteps": (1000, _at_least(1)),
    "feature_dim": (128, _at_least(1)),
    "num_heads": (12, _at_least(1)),
    "antithetic_time_sampling": (True, _BOOL),
    "n_layers": (32, _at_least(0)),
    "n_dit_layers": (0, _at_least(0)),
    "dit_num_heads": (12, _at_least(1)),
    "dit_hidden_size": (768, _at_least(1)),
    "ch_mult": ((1,), _SIZES),
    "vocab_size": (256, _at_least(1)),
    "noise_schedule_type": ("linear", _NAME),
    "dropout_rate": (0.0, _number(RATE)),
    "use_attn_dropout": (True, _BOOL),
    "mlp_type": ("swiglu", _one_of("swiglu", "geglu", "glu")),
    "depth_scaled_init": (False, _BOOL),
    "cond_type": ("adaln", _one_of("adaln", "adaln_zero")),
    "outside_embed": (False, _BOOL),
    "time_features": ("t", _one_of("t", "none")),
    "classes": (11, (is_whole, "an int; 0 or below for a model without classes")),
}
MD4_ARGUMENTS = {
    **_SHARED,
    "sampler": ("analytic", _one_of("analytic", "ancestral", "mean", "topp")),
    "sampling_grid": ("cosine", _one_of("uniform", "cosine")),
    "topp": (0.98, _number(Interval(0, 1, with_low=False))),
    "model_sharding": (False, _BOOL),
}
"""The published default of each argument of `MD4`, its test, and what that expects in words."""

GENMD4_ALONE = {
    "power_init": (1.0, _number(Interval(with_low=False))),
    "t1": (1e-3, _number(Interval(0, 1, with_low=False, with_high=False))),
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


def complete(constructor: dict, known: dict = MD4_ARGUMENTS) -> dict:
    """All arguments: those given, checked, and the published defaults of the others.

    Raises:
        ValueError: for an unknown or missing argument, or a value that makes no sense.
    """
    unknown = set(constructor) - set(known)
    if unknown:
        raise ValueError(
            f"Unknown constructor arguments. Expected names among {[*known]}. "
            f"Received: {sorted(unknown, key=str)}. Remove or rename them."
        )
    arguments = {name: constructor.get(name, default) for name, (default, _) in known.items()}
    for name, (_, (is_valid, expectation)) in known.items():
        value = arguments[name]
        if not is_valid(value):
            raise ValueError(
                f"The constructor argument `{name}` has a wrong value. Expected {expectation}. "
                f"Received: {name}={value!r}. Give the value that the checkpoint was trained with."
            )
    return arguments
