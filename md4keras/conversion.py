"""Models from the constructor arguments and parameters of the published implementation.

Reference: Shi et al. 2024 (arXiv 2406.04329) and the code published with it.
"""

import numbers

import numpy as np

from md4keras.models import MD4
from md4keras.networks import Transformer, UNet, UViT
from md4keras.published_names import parameter_names

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
"""The published defaults; `data_shape` has none."""

_CHOICES = {
    "sampler": ("analytic", "ancestral", "mean", "topp"),
    "sampling_grid": ("uniform", "cosine"),
}


def from_md4(constructor: dict, params: dict):
    """A model with the weights of a published checkpoint.

    Args:
        constructor: the arguments of the published class `MD4`; what is left out takes its
            published default (`DEFAULTS`), `data_shape` has none. `sampler`, `sampling_grid` and
            `topp` are checked but not stored: they are arguments of `generate` here.
        params: arrays by name, such as `"params/classifier/Embed_0/embedding"`.

    Returns:
        an `MD4` model.

    Raises:
        ValueError: for an unknown or missing argument or parameter, or a wrong shape.
        NotImplementedError: for a `GenMD4` checkpoint.
    """
    arguments = _complete(constructor)
    network = build_network(arguments)
    load_network(network, _network_params(network, params))
    return MD4(
        network,
        schedule=arguments["noise_schedule_type"],
        timesteps=None if arguments["cont_time"] else arguments["timesteps"],
        time_sampling="antithetic" if arguments["antithetic_time_sampling"] else "independent",
    )


def build_network(arguments: dict):
    """The network that published arguments describe, with new weights.

    Text takes a `Transformer`; images take a `UViT` where `n_dit_layers` is above 0, else a `UNet`.

    Args:
        arguments: published arguments by name; `data_shape` is `(L,)` for text and `(H, W, C)`
            for images. What is left out takes its published default.
    """
    arguments = _complete(arguments)
    data_shape = tuple(arguments["data_shape"])
    common = {
        "vocabulary_size": arguments["vocab_size"],
        "num_layers": arguments["n_layers"],
        "feature_dim": arguments["feature_dim"],
        "time_features": arguments["time_features"],
        "num_classes": arguments["classes"] if arguments["classes"] > 0 else None,
        "dropout": arguments["dropout_rate"],
    }
    if len(data_shape) == 1:
        return Transformer(
            sequence_length=data_shape[0],
            num_heads=arguments["num_heads"],
            mlp_type=arguments["mlp_type"],
            conditioning_type=arguments["cond_type"],
            embedding="outside" if arguments["outside_embed"] else "inside",
            attention_dropout=arguments["use_attn_dropout"],
            depth_scaled_init=arguments["depth_scaled_init"],
            **common,
        )
    if arguments["n_dit_layers"] > 0:
        return UViT(
            image_shape=data_shape,
            num_dit_layers=arguments["n_dit_layers"],
            num_heads=arguments["dit_num_heads"],
            hidden_dim=arguments["dit_hidden_size"],
            channel_multipliers=arguments["ch_mult"],
            **common,
        )
    return UNet(image_shape=data_shape, **common)


def load_network(network, params: dict) -> None:
    """Fills a network with published parameters.

    Args:
        network: a `Transformer`, `UNet` or `UViT`.
        params: arrays by their names below the published network, such as
            `"Transformer_0/Dense_0/kernel"`; and, for a network with classes,
            `"cond_embeddings/embedding"`.

    Raises:
        ValueError: for an unknown or missing name, or a wrong shape; nothing is assigned then.
    """
    expected = parameter_names(network)
    unknown, missing = set(params) - set(expected), set(expected) - set(params)
    if unknown or missing:
        raise ValueError(
            "The parameters are not those of this network. Expected one array for each parameter. "
            f"Received: unknown={sorted(unknown)}, missing={sorted(missing)}. Check the "
            "constructor arguments."
        )
    arrays = {}
    for name, (variable, published_shape) in expected.items():
        array = np.asarray(params[name])
        if array.shape != published_shape:
            raise ValueError(
                f"The parameter '{name}' does not fit the network. Expected shape "
                f"{published_shape}. Received: shape={array.shape}. Check the constructor "
                "arguments."
            )
        arrays[name] = array.reshape(tuple(variable.shape))
    for name, (variable, _) in expected.items():
        variable.assign(arrays[name])


def _complete(constructor: dict) -> dict:
    if {"power_init", "t1"} & set(constructor) or constructor.get("noise_schedule_type") == "poly":
        raise NotImplementedError(
            "GenMD4 checkpoints cannot be converted yet. Expected the arguments of `MD4`. "
            f"Received: {sorted(constructor)}"
        )
    unknown = set(constructor) - set(DEFAULTS) - {"data_shape"}
    if unknown:
        raise ValueError(
            f"Unknown constructor arguments. Expected names among {['data_shape', *DEFAULTS]}. "
            f"Received: {sorted(unknown)}. Remove or rename them."
        )
    arguments = {**DEFAULTS, **constructor}
    data_shape = arguments.get("data_shape")
    sized = isinstance(data_shape, (tuple, list)) and len(data_shape) in (1, 3)
    if not sized or not all(isinstance(size, numbers.Integral) for size in data_shape):
        raise ValueError(
            "`data_shape` must describe text or images. Expected [length] or "
            f"[height, width, channels]. Received: data_shape={data_shape!r}. "
            "It has no default: name it."
        )
    for name, known in _CHOICES.items():
        if arguments[name] not in known:
            raise ValueError(
                f"Unknown `{name}`. Expected one of {known}. "
                f"Received: {name}={arguments[name]!r}. Choose one of the known names."
            )
    return arguments


def _network_params(network, params: dict) -> dict:
    """Parameter names of the whole model, as `load_network` knows them."""
    result = {}
    for name, array in params.items():
        short = name.removeprefix("params/")
        inner = short.removeprefix("classifier/")
        known_outer = short == "cond_embeddings/embedding"
        if short == name or (inner == short and not known_outer):
            raise ValueError(
                "Unknown parameter. Expected 'params/classifier/...' or "
                f"'params/cond_embeddings/embedding'. Received: '{name}'. Remove it."
            )
        result[inner] = array
    return result
