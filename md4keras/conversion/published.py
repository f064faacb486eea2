"""Models from the constructor arguments and parameters of the published implementation."""

from md4keras.conversion.arguments import (
    EXPONENTS,
    GENMD4_ALONE,
    GENMD4_ARGUMENTS,
    MD4_ARGUMENTS,
    is_genmd4,
)
from md4keras.conversion.arrays import check_names, checked_array
from md4keras.conversion.entries import check_mapping, complete
from md4keras.conversion.names import parameter_names
from md4keras.layers import initializers
from md4keras.models import MD4, GenMD4
from md4keras.networks import Transformer, UNet, UViT

_CLASS_TABLE = "cond_embeddings/embedding"
_WHAT = "constructor argument"


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
    check_mapping("constructor", constructor)
    check_mapping("params", params)
    learned = is_genmd4(constructor, params)
    arguments = complete(constructor, GENMD4_ARGUMENTS if learned else MD4_ARGUMENTS, _WHAT)
    if learned:
        _check_genmd4(arguments, params)
    with initializers.left_out():
        network = build_network({k: v for k, v in arguments.items() if k not in GENMD4_ALONE})
    load_network(network, {k: v for k, v in params.items() if k != EXPONENTS})
    time_sampling = "antithetic" if arguments["antithetic_time_sampling"] else "independent"
    if not learned:
        timesteps = None if arguments["cont_time"] else arguments["timesteps"]
        return MD4(network, arguments["noise_schedule_type"], timesteps, time_sampling)
    model = GenMD4(network, arguments["power_init"], arguments["t1"], time_sampling=time_sampling)
    theta = model.schedule.theta
    theta.assign(checked_array(EXPONENTS, params[EXPONENTS], tuple(theta.shape)))
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

    Example:

    >>> sizes = {"n_layers": 1, "num_heads": 2, "feature_dim": 8}
    >>> network = build_network({"data_shape": (8,), "vocab_size": 5, **sizes})
    >>> type(network).__name__, network.data_shape
    ('Transformer', (8,))
    """
    arguments = complete(arguments, MD4_ARGUMENTS, _WHAT)
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
    check_names(params, expected)
    # Twice, so that nothing is assigned where one is wrong, and none is kept where all are right.
    for name, (_, shape) in expected.items():
        checked_array(name, params[name], shape)
    for name, (variable, shape) in expected.items():
        variable.assign(checked_array(name, params[name], shape).reshape(tuple(variable.shape)))


def _full_name(name: str) -> str:
    """The class table lies beside the published network, all else in it."""
    return f"params/{name}" if name == _CLASS_TABLE else f"params/classifier/{name}"
