"""Models from the constructor arguments and parameters of the published implementation.

Reference: Shi et al. 2024 (arXiv 2406.04329) and the code published with it.
"""

import numpy as np

from md4keras.models import MD4, GenMD4
from md4keras.networks import Transformer, UNet
from md4keras.published_arguments import (
    EXPONENTS,
    GENMD4_ALONE,
    GENMD4_DEFAULTS,
    complete,
    is_genmd4,
)


def from_md4(constructor: dict, params: dict):
    """A model with the weights of a published checkpoint.

    It is a `GenMD4` if anything says so: the parameter `"params/noise_schedule/w"`, an argument
    `power_init` or `t1`, or `noise_schedule_type="poly"` (MD4's polynomial schedules name their
    exponent: `"poly2"`). Whatever then disagrees is an error.

    Args:
        constructor: the arguments of the published class; what is left out takes its published
            default (see `md4keras/published_arguments.py`), `data_shape` has none. `sampler`,
            `sampling_grid` and `topp` are checked but not stored: they are arguments of
            `generate` here.
        params: arrays by name, such as `"params/classifier/Embed_0/embedding"`.

    Returns:
        an `MD4` or `GenMD4` model.

    Raises:
        ValueError: for an unknown or missing argument or parameter, or a wrong shape.
        NotImplementedError: for a network with a DiT core.
    """
    if is_genmd4(constructor, params):
        return _genmd4(constructor, params)
    arguments = complete(constructor)
    network = build_network(arguments)
    load_network(network, _network_params(network, params))
    return MD4(
        network,
        schedule=arguments["noise_schedule_type"],
        timesteps=None if arguments["cont_time"] else arguments["timesteps"],
        **_time_sampling(arguments),
    )


def _genmd4(constructor: dict, params: dict):
    arguments = complete(constructor, GENMD4_DEFAULTS)
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
    network = build_network(
        {name: value for name, value in arguments.items() if name not in GENMD4_ALONE}
    )
    others = {name: array for name, array in params.items() if name != EXPONENTS}
    load_network(network, _network_params(network, others))
    model = GenMD4(network, arguments["power_init"], arguments["t1"], **_time_sampling(arguments))
    theta = np.asarray(params[EXPONENTS])
    if theta.shape != tuple(model.schedule.theta.shape):
        raise ValueError(
            f"The parameter '{EXPONENTS}' does not fit the vocabulary. Expected shape "
            f"{tuple(model.schedule.theta.shape)}. Received: shape={theta.shape}. Check vocab_size."
        )
    model.schedule.theta.assign(theta)
    return model


def build_network(arguments: dict):
    """The network that published arguments describe, with new weights.

    Args:
        arguments: published arguments by name; `data_shape` is `(L,)` for text and `(H, W, C)`
            for images. What is left out takes its published default.
    """
    arguments = complete(arguments)
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
        raise NotImplementedError(
            "Networks with a DiT core (UViT) cannot be converted yet. Expected n_dit_layers=0. "
            f"Received: n_dit_layers={arguments['n_dit_layers']}"
        )
    return UNet(image_shape=data_shape, **common)


def load_network(network, params: dict) -> None:
    """Fills a network with published parameters.

    Args:
        network: a `Transformer` or `UNet`.
        params: arrays by their names below the published network, such as
            `"Transformer_0/Dense_0/kernel"`; and, for a network with classes,
            `"cond_embeddings/embedding"`.

    Raises:
        ValueError: for an unknown or missing name, or a wrong shape; nothing is assigned then.
    """
    names = _transformer_names if isinstance(network, Transformer) else _unet_names
    expected = {**_conditioning_names(network), **names(network)}
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


def _time_sampling(arguments: dict) -> dict:
    antithetic = arguments["antithetic_time_sampling"]
    return {"time_sampling": "antithetic" if antithetic else "independent"}


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


def _dense(layer, path: str) -> dict:
    """Names of a dense, convolution or embedding layer's variables, with their shapes."""
    names = {f"{path}/kernel": (layer.kernel, tuple(layer.kernel.shape))}
    if layer.use_bias:
        names[f"{path}/bias"] = (layer.bias, tuple(layer.bias.shape))
    return names


def _embedding(layer, path: str) -> dict:
    return {f"{path}/embedding": (layer.embeddings, tuple(layer.embeddings.shape))}


def _rms_norm(layer, path: str) -> dict:
    return {f"{path}/scale": (layer.scale, tuple(layer.scale.shape))}


def _group_norm(layer, path: str) -> dict:
    shape = tuple(layer.gamma.shape)
    return {f"{path}/scale": (layer.gamma, shape), f"{path}/bias": (layer.beta, shape)}


def _conditioning_names(network) -> dict:
    names, layer = {}, network.backbone.get_layer
    if network.num_classes:
        names |= _embedding(layer("label_embedding"), "cond_embeddings")
    if network.time_conditioned:
        mlp = layer("conditioning")
        names |= _dense(mlp.hidden, "CondEmbedding_0/dense0")
        names |= _dense(mlp.projection, "CondEmbedding_0/Dense_0")
    return names


def _transformer_names(network) -> dict:
    layer, root = network.backbone.get_layer, "Transformer_0"
    # Top dense layers are numbered in order of use; some networks lack the first or second.
    dense_paths = iter(f"{root}/Dense_{index}" for index in range(3))
    if network.embedding == "outside":
        names = _embedding(layer("token_embedding"), "Embed_0")
        names |= _dense(layer("embedding_projection"), next(dense_paths))
    else:
        names = _embedding(layer("token_embedding"), f"{root}/Embed_0")
    for index in range(network.num_layers):
        names |= _block_names(layer(f"block_{index}"), f"{root}/TransformerBlock_{index}")
    output_norm = layer("output_norm")
    if network.time_conditioned or network.num_classes:
        names |= _dense(output_norm.modulation.projection, next(dense_paths))
    else:
        names |= _rms_norm(output_norm, f"{root}/RMSNorm_0")
    return names | _dense(network.head.projection, next(dense_paths))


def _block_names(block, path: str) -> dict:
    attention, mlp = block.attention, block.mlp
    names = {}
    for layer, name in (
        (attention.query, "attention/wq"),
        (attention.key, "attention/wk"),
        (attention.value, "attention/wv"),
        (attention.output_projection, "attention/wo"),
        (mlp.gate, "feed_forward/w1"),
        (mlp.output_projection, "feed_forward/w2"),
        (mlp.input_projection, "feed_forward/w3"),
    ):
        names |= _dense(layer, f"{path}/{name}")
    if block.conditioning_type is None:
        names |= _rms_norm(block.attention_norm, f"{path}/RMSNorm_0")
        return names | _rms_norm(block.mlp_norm, f"{path}/RMSNorm_1")
    return names | _dense(block.modulation.projection, f"{path}/Dense_0")


def _unet_names(network) -> dict:
    layer, root = network.backbone.get_layer, "UNet5DWrapper_0/UNet_0"
    names = _embedding(layer("token_embedding"), "Embed_0")
    names |= _dense(layer("input_conv"), f"{root}/Conv_0")
    blocks = [f"down_{index}" for index in range(network.num_layers)]
    blocks += ["middle_0", "middle_1"]
    blocks += [f"up_{index}" for index in range(network.num_layers + 1)]
    for index, name in enumerate(blocks):
        names |= _residual_names(layer(name), f"{root}/ResBlock_{index}")
    names |= _attention_names(layer("middle_attention"), f"{root}/SelfAttention_0")
    names |= _group_norm(layer("output_norm"), f"{root}/GroupNorm_0")
    return names | _dense(network.head.conv, f"{root}/Conv_1")


def _residual_names(block, path: str) -> dict:
    names = _group_norm(block.norm_1, f"{path}/GroupNorm_0")
    names |= _dense(block.conv_1, f"{path}/Conv_0")
    names |= _group_norm(block.norm_2, f"{path}/GroupNorm_1")
    names |= _dense(block.conv_2, f"{path}/Conv_1")
    if block.conditioned:
        names |= _dense(block.projection, f"{path}/Dense_0")
    if block.shortcut is not None:
        names |= _dense(block.shortcut, f"{path}/Dense_{int(block.conditioned)}")
    return names


def _attention_names(attention, path: str) -> dict:
    names = _group_norm(attention.norm, f"{path}/GroupNorm_0")
    path = f"{path}/MultiHeadDotProductAttention_0"
    width = attention.query.units
    # One head: the published arrays have an axis of length 1 for it.
    for layer, name in (
        (attention.query, "query"),
        (attention.key, "key"),
        (attention.value, "value"),
    ):
        names[f"{path}/{name}/kernel"] = (layer.kernel, (width, 1, width))
        names[f"{path}/{name}/bias"] = (layer.bias, (1, width))
    names[f"{path}/out/kernel"] = (attention.output_projection.kernel, (1, width, width))
    names[f"{path}/out/bias"] = (attention.output_projection.bias, (width,))
    return names
