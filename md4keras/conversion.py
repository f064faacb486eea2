"""Models from the constructor arguments and parameters of the published implementation.

Reference: Shi et al. 2024 (arXiv 2406.04329) and the code published with it.
"""

import numbers

import numpy as np

from md4keras.models import MD4
from md4keras.networks import Transformer, UNet

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
        NotImplementedError: for a `GenMD4` checkpoint or a network with a DiT core.
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
