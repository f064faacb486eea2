"""The constructor arguments of the published classes `MD4` and `GenMD4`, and their defaults.

Reference: Shi et al. 2024 (arXiv 2406.04329) and the code published with it.
"""

import numbers

import numpy as np

DEFAULTS = {
    "cont_time": False,
    "timesteps": 1000,
    "feature_dim": 128,
    "num_heads": 12,
    "antithetic_time_sampling": True,
    "n_layers": 32,
    "n_dit_layers": 0,
    "dit_num_heads": 12,
    "dit_hidden_size": 768,
    "ch_mult": (1,),
    "vocab_size": 256,
    "noise_schedule_type": "linear",
    "dropout_rate": 0.0,
    "use_attn_dropout": True,
    "mlp_type": "swiglu",
    "depth_scaled_init": False,
    "cond_type": "adaln",
    "outside_embed": False,
    "time_features": "t",
    "classes": 11,
    "sampler": "analytic",
    "sampling_grid": "cosine",
    "topp": 0.98,
    "model_sharding": False,
}
"""The published defaults of `MD4`; `data_shape` has none."""

_MD4_ALONE = ("sampler", "sampling_grid", "topp", "model_sharding")

GENMD4_ALONE = {"power_init": 1.0, "t1": 1e-3}
"""Arguments that `GenMD4` has and `MD4` has not."""

EXPONENTS = "params/noise_schedule/w"
"""The parameter of `GenMD4` from which its exponents are made, `[V]`."""

GENMD4_DEFAULTS = {
    **{name: value for name, value in DEFAULTS.items() if name not in _MD4_ALONE},
    **GENMD4_ALONE,
    "noise_schedule_type": "poly",
}
"""The published defaults of `GenMD4`, which has no sampler."""


def is_genmd4(constructor: dict, params: dict) -> bool:
    """Whether anything says `GenMD4`: an argument or parameter that `MD4` has not, or its schedule.

    MD4's polynomial schedules name their exponent (`"poly2"`), GenMD4's is plain `"poly"`.
    """
    if constructor.get("noise_schedule_type") == "poly":
        return True
    return EXPONENTS in params or not GENMD4_ALONE.keys().isdisjoint(constructor)


def complete(constructor: dict, defaults: dict = DEFAULTS) -> dict:
    """All arguments: those given, checked, and the published defaults of the others.

    Raises:
        ValueError: for an unknown or missing argument, or a value that makes no sense.
    """
    unknown = set(constructor) - set(defaults) - {"data_shape"}
    if unknown:
        raise ValueError(
            f"Unknown constructor arguments. Expected names among {['data_shape', *defaults]}. "
            f"Received: {sorted(unknown, key=str)}. Remove or rename them."
        )
    arguments = {**defaults, **constructor}
    for name, (is_valid, expectation) in _CHECKS.items():
        value = arguments.get(name)
        if (name in arguments or name == "data_shape") and not is_valid(value):
            raise ValueError(
                f"The constructor argument `{name}` has a wrong value. Expected {expectation}. "
                f"Received: {name}={value!r}. Give the value that the checkpoint was trained with."
            )
    return arguments


def _is_bool(value) -> bool:
    return isinstance(value, (bool, np.bool_))


def _is_int(value) -> bool:
    return isinstance(value, numbers.Integral) and not _is_bool(value)


def _is_real(value) -> bool:
    return isinstance(value, numbers.Real) and not _is_bool(value)


def _is_data_shape(value) -> bool:
    return _are_sizes(value) and len(value) in (1, 3)


def _are_sizes(value) -> bool:
    listed = isinstance(value, (tuple, list)) or (isinstance(value, np.ndarray) and value.ndim == 1)
    return listed and len(value) > 0 and all(_is_int(size) and size >= 1 for size in value)


def _at_least(minimum: int):
    return lambda value: _is_int(value) and value >= minimum, f"an int, at least {minimum}"


def _one_of(*names: str):
    return lambda value: isinstance(value, str) and value in names, f"one of {names}"


_BOOL = (_is_bool, "True or False")
_CHECKS = {
    "data_shape": (_is_data_shape, "[length] or [height, width, channels]; it has no default"),
    "cont_time": _BOOL,
    "timesteps": _at_least(1),
    "feature_dim": _at_least(1),
    "num_heads": _at_least(1),
    "antithetic_time_sampling": _BOOL,
    "n_layers": _at_least(0),
    "n_dit_layers": _at_least(0),
    "dit_num_heads": _at_least(1),
    "dit_hidden_size": _at_least(1),
    "ch_mult": (_are_sizes, "a list of ints, at least 1 each"),
    "vocab_size": _at_least(1),
    "noise_schedule_type": (lambda value: isinstance(value, str), "the name of a schedule"),
    "dropout_rate": (lambda value: _is_real(value) and 0 <= value < 1, "a number in [0, 1)"),
    "use_attn_dropout": _BOOL,
    "mlp_type": _one_of("swiglu", "geglu", "glu"),
    "depth_scaled_init": _BOOL,
    "cond_type": _one_of("adaln", "adaln_zero"),
    "outside_embed": _BOOL,
    "time_features": _one_of("t", "none"),
    "classes": (_is_int, "an int; 0 or below for a model without classes"),
    "sampler": _one_of("analytic", "ancestral", "mean", "topp"),
    "sampling_grid": _one_of("uniform", "cosine"),
    "power_init": (lambda value: _is_real(value) and 0 < value < float("inf"), "a number above 0"),
    "t1": (lambda value: _is_real(value) and 0 < value < 1, "a number in (0, 1)"),
    "topp": (lambda value: _is_real(value) and 0 < value <= 1, "a number in (0, 1]"),
    "model_sharding": _BOOL,
}
"""The test of each argument, and what it expects in words."""
