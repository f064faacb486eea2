"""The constructor arguments of the published classes `MD4` and `GenMD4`, and their defaults.

Reference: Shi et al. 2024 (arXiv 2406.04329) and the code published with it.
"""

import numbers

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

_CHOICES = {
    "sampler": ("analytic", "ancestral", "mean", "topp"),
    "sampling_grid": ("uniform", "cosine"),
}


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
        ValueError: for an unknown or missing argument, or a value that is not known.
    """
    unknown = set(constructor) - set(defaults) - {"data_shape"}
    if unknown:
        raise ValueError(
            f"Unknown constructor arguments. Expected names among {['data_shape', *defaults]}. "
            f"Received: {sorted(unknown)}. Remove or rename them."
        )
    arguments = {**defaults, **constructor}
    data_shape = arguments.get("data_shape")
    sized = isinstance(data_shape, (tuple, list)) and len(data_shape) in (1, 3)
    if not sized or not all(isinstance(size, numbers.Integral) for size in data_shape):
        raise ValueError(
            "`data_shape` must describe text or images. Expected [length] or "
            f"[height, width, channels]. Received: data_shape={data_shape!r}. "
            "It has no default: name it."
        )
    for name, known in _CHOICES.items():
        if arguments.get(name, known[0]) not in known:
            raise ValueError(
                f"Unknown `{name}`. Expected one of {known}. "
                f"Received: {name}={arguments[name]!r}. Choose one of the known names."
            )
    return arguments
