"""Models from the constructor arguments and parameters of the published implementation."""

from collections.abc import Mapping

import numpy as np

from md4keras.conversion.arguments import (
    EXPONENTS,
    GENMD4_ALONE,
    GENMD4_ARGUMENTS,
    MD4_ARGUMENTS,
    complete,
    is_genmd4,
)
from md4keras.conversion.names import parameter_names
from md4keras.models import MD4, GenMD4
from md4keras.networks import Transformer, UNet, UViT

_CLASS_TABLE = "cond_embeddings/embedding"


def from_md4(constructor: dict, params: dict):
    """A model with the weights of a published checkpoint.

    It is a `GenMD4` if anything says so: the parameter `"params/noise_schedule/w"`, an argument
    `power_init` or `t1`, or `noise_schedule_type="poly"` (MD4's polynomial schedules name their
    exponent: `"poly2"`). Whatever then disagrees is an error.

    Args:
        constructor: the arguments of the published class; what is left out takes its published
            default (see `arguments.py`), `data_shape` has none. The values of all are
            checked. `sampler`, `sampling_grid` and `topp` are not stored, as they are arguments
            of `generate` here; `model_sharding`, and what only the other kind of network reads,
            has no effect.
        params: real, finite arrays by full name, such as `"params/classifier/Embed_0/embedding"`:
            all those of the model and no others.

    Returns:
        an `MD4` or `GenMD4` model.

    Raises:
        ValueError: for an unknown or missing argument or parameter, or a wrong value or shape.
    """
    for name, value in (("constructor", constructor), ("params", params)):
        if not isinstance(value, Mapping):
            raise ValueError(
                f"`{name}` must be a dictionary by published names. "
                f"Received: {name} of type {type(value).__name__}. Read it from the checkpoint."
            )
    learned = is_genmd4(constructor, params)
    arguments = complete(constructor, GENMD4_ARGUMENTS if learned else MD4_ARGUMENTS)
    if learned:
        _check_genmd4(arguments, params)
    network = build_network({k: v for k, v in arguments.items() if k not in GENMD4_ALONE})
    load_network(network, {k: v for k, v in params.items() if k != EXPONENTS})
    time_sampling = "antithetic" if arguments["antithetic_time_sampling"] else "independent"
    if not learned:
        timesteps = None if arguments["cont_time"] else arguments["timesteps"]
        return MD4(network, arguments["noise_schedule_type"], timesteps, time_sampling)
    model = GenMD4(network, arguments["power_init"], arguments["t1"], time_sampling=time_sampling)
    theta = model.schedule.theta
    theta.assign(_checked_array(EXPONENTS, params[EXPONENTS], tuple(theta.shape)))
    return model


def _check_genmd4(arguments: dict, params: dict) -> None:
    if arguments["noise_schedule_type"] != "poly" or not arguments["cont_time"]:
        raise ValueError(
            "GenMD4 has a learned schedule and continuous time. Expected "
            "noise_schedule_type='poly' and cont_time=True. Received: "
            f"noise_schedule_type={arguments['noise_schedule_type']!r}, "
            f"cont_time={arguments['cont_time']}. For an MD4 leave out {[*GENMD4_ALONE]} and "
            f"'{EXPONENTS}'."
        )
    if EXPONENTS not in params:
        raise ValueError(
            "The parameters are not those of a GenMD4. Expected its learned exponents among them. "
            f"Received: missing={[EXPONENTS]}. For an MD4 leave out {[*GENMD4_ALONE]}."
        )


def build_network(arguments: dict):
    """The network that published arguments describe, with new weights.

    Text takes a `Transformer`; images take a `UViT` where `n_dit_layers` is above 0, else a `UNet`.

    Args:
        arguments: published arguments by name; `data_shape` is `(L,)` for text and `(H, W, C)`
            for images. What is left out takes its published default.
    """
    arguments = complete(arguments)
    data_shape = tuple(map(int, arguments["data_shape"]))
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
        params: real, finite arrays by full name: `"params/classifier/..."` and, for a network
            with classes, `"params/cond_embeddings/embedding"`.

    Raises:
        ValueError: for an unknown or missing name, or a wrong value or shape; nothing is assigned
            then.
    """
    expected = {_full_name(name): target for name, target in parameter_names(network).items()}
    unknown, missing = set(params) - set(expected), set(expected) - set(params)
    if unknown or missing:
        raise ValueError(
            "The parameters are not those of this network. Expected one array for each parameter. "
            f"Received: unknown={sorted(unknown, key=str)}, missing={sorted(missing)}. Check the "
            "constructor arguments."
        )
    checked = [
        (variable, _checked_array(name, params[name], shape))
        for name, (variable, shape) in expected.items()
    ]
    for variable, array in checked:
        variable.assign(array.reshape(tuple(variable.shape)))


def _full_name(name: str) -> str:
    """The class table lies beside the published network, all else in it."""
    return f"params/{name}" if name == _CLASS_TABLE else f"params/classifier/{name}"


def _checked_array(name: str, value, shape: tuple) -> np.ndarray:
    """The value as float32, if it is an array of real, finite numbers of that shape."""
    try:
        array = np.asarray(value)
    except ValueError:  # nested lists of unequal lengths
        array = np.asarray(None)
    if array.dtype.kind not in "fiu" and array.dtype.name != "bfloat16":
        raise ValueError(
            f"The parameter '{name}' is no array of real numbers. Expected floats. "
            f"Received: {type(value).__name__} of dtype={array.dtype}. Flatten nested "
            "dictionaries, joining their keys by '/'."
        )
    if array.shape != shape:
        raise ValueError(
            f"The parameter '{name}' does not fit the model. Expected shape {shape}. "
            f"Received: shape={array.shape}. Check the constructor arguments."
        )
    with np.errstate(over="ignore"):
        array = array.astype("float32")
    if not np.isfinite(array).all():
        raise ValueError(
            f"The parameter '{name}' holds NaN or infinity. Expected finite float32 numbers. "
            f"Received: {int(np.sum(~np.isfinite(array)))} of {array.size} that are not. Take an "
            "undamaged checkpoint."
        )
    return array
