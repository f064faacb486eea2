"""Where the published implementation's parameters belong in our networks.

Reference: Shi et al. 2024 (arXiv 2406.04329) and the code published with it.
"""

from md4keras.layers import AdaptiveGroupNorm, AdaptiveLayerNorm
from md4keras.networks import Transformer, UNet, UViT


def parameter_names(network) -> dict:
    """The published parameters of a network, by their names below the published network.

    Args:
        network: a `Transformer`, `UNet` or `UViT`.

    Returns:
        dictionary from names such as `"Transformer_0/Dense_0/kernel"` to `(variable, shape)`, the
        shape being that of the published array, which has as many numbers as the variable.
    """
    return {**_conditioning_names(network), **_NETWORK_NAMES[type(network)](network)}


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
    names = _block_norms(block, path)
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
    return names


def _block_norms(block, path: str) -> dict:
    if block.conditioning_type is not None:
        return _dense(block.modulation.projection, f"{path}/Dense_0")
    names = _rms_norm(block.attention_norm, f"{path}/RMSNorm_0")
    return names | _rms_norm(block.mlp_norm, f"{path}/RMSNorm_1")


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
    norm, norm_names = "GroupNorm", _group_norm
    if block.adaptive_norm:
        norm, norm_names = "CondGroupNorm", _conditional_group_norm
    names = norm_names(block.norm_1, f"{path}/{norm}_0")
    names |= _dense(block.conv_1, f"{path}/Conv_0")
    names |= norm_names(block.norm_2, f"{path}/{norm}_1")
    names |= _dense(block.conv_2, f"{path}/Conv_1")
    # Dense layers are numbered in order of use; some blocks lack one or both.
    layers = [layer for layer in (block.projection, block.shortcut) if layer is not None]
    for index, layer in enumerate(layers):
        names |= _dense(layer, f"{path}/Dense_{index}")
    return names


def _conditional_group_norm(layer, path: str) -> dict:
    if isinstance(layer, AdaptiveGroupNorm):
        return _dense(layer.projection, f"{path}/Dense_0")
    return _group_norm(layer, f"{path}/GroupNorm_0")


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


def _uvit_names(network) -> dict:
    layer, root = network.backbone.get_layer, "UNet5DWrapper_0/UNet_0"
    names = _embedding(layer("token_embedding"), "Embed_0")
    names |= _dense(layer("input_conv"), f"{root}/Conv_0")
    num_levels, num_layers = len(network.channel_multipliers), network.num_layers
    blocks = []
    for level in range(num_levels):
        blocks += [f"down_{level}_resample"] if level > 0 else []
        blocks += [f"down_{level}_{index}" for index in range(num_layers)]
    for level in reversed(range(num_levels)):
        blocks += [f"up_{level}_{index}" for index in range(num_layers + 1)]
        blocks += [f"up_{level}_resample"] if level > 0 else []
    for index, name in enumerate(blocks):
        names |= _residual_names(layer(name), f"{root}/ResBlock_{index}")
    names |= _core_names(network, f"{root}/DiT_0")
    names |= _conditional_group_norm(layer("output_norm"), f"{root}/CondGroupNorm_0")
    return names | _dense(network.head.conv, f"{root}/Conv_1")


def _core_names(network, path: str) -> dict:
    layer = network.backbone.get_layer
    names = _dense(layer("patch_embedding"), f"{path}/x_embedder/proj")
    positions = layer("positions").embeddings
    names[f"{path}/pos_embed"] = (positions, tuple(positions.shape))
    for index in range(network.num_dit_layers):
        names |= _core_block_names(layer(f"dit_{index}"), f"{path}/blocks_{index}")
    norm = layer("dit_norm")
    if isinstance(norm, AdaptiveLayerNorm):
        names |= _dense(norm.modulation.projection, f"{path}/final_layer/Dense_0")
    else:
        names |= _rms_norm(norm, f"{path}/final_layer/RMSNorm_0")
    return names | _dense(layer("dit_projection"), f"{path}/final_layer/linear")


def _core_block_names(block, path: str) -> dict:
    attention, mlp = block.attention, block.mlp
    names = _block_norms(block, path)
    for layer, name in (
        (attention.query, "attn/wq"),
        (attention.key, "attn/wk"),
        (attention.value, "attn/wv"),
        (attention.output_projection, "attn/wo"),
        (mlp.hidden, "mlp/fc1"),
        (mlp.output_projection, "mlp/fc2"),
    ):
        names |= _dense(layer, f"{path}/{name}")
    return names


_NETWORK_NAMES = {Transformer: _transformer_names, UNet: _unet_names, UViT: _uvit_names}
