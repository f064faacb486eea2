"""The published implementation's parameters, and where they belong in our networks.

Reference: Shi et al. 2024 (arXiv 2406.04329) and the code published with it.
"""

from md4keras.layers import AdaptiveGroupNorm, AdaptiveLayerNorm
from md4keras.networks import Transformer, UViT


def parameter_names(network) -> dict:
    """The published parameters of a network, by their names below the published network.

    Args:
        network: a `Transformer`, `UNet` or `UViT`.

    Returns:
        dictionary from names such as `"Transformer_0/Dense_0/kernel"` to `(variable, shape)`, the
        shape being that of the published array, which has as many numbers as the variable.
    """
    names = {}
    if network.num_classes:
        names |= _embedding(network.label_embedding, "cond_embeddings")
    if network.time_conditioned:
        names |= _dense(network.conditioning_mlp.hidden, "CondEmbedding_0/dense0")
        names |= _dense(network.conditioning_mlp.projection, "CondEmbedding_0/Dense_0")
    if isinstance(network, Transformer):
        return names | _transformer(network, "Transformer_0")
    return names | _image_network(network, "UNet5DWrapper_0/UNet_0")


def _variable(variable, path: str, shape=None) -> dict:
    return {path: (variable, tuple(shape or variable.shape))}


def _dense(layer, path: str) -> dict:
    """Names of a dense or convolution layer's variables."""
    names = _variable(layer.kernel, f"{path}/kernel")
    return names | _variable(layer.bias, f"{path}/bias") if layer.use_bias else names


def _embedding(layer, path: str) -> dict:
    return _variable(layer.embeddings, f"{path}/embedding")


def _group_norm(layer, path: str, own_path: str = "") -> dict:
    if isinstance(layer, AdaptiveGroupNorm):
        return _dense(layer.projection, f"{path}/Dense_0")
    path = path + own_path
    return _variable(layer.gamma, f"{path}/scale") | _variable(layer.beta, f"{path}/bias")


def _transformer(network, path: str) -> dict:
    # Top dense layers are numbered in order of use; some networks lack the first or second.
    dense_paths = iter(f"{path}/Dense_{index}" for index in range(3))
    if network.embedding == "outside":
        names = _embedding(network.token_embedding, "Embed_0")
        names |= _dense(network.embedding_projection, next(dense_paths))
    else:
        names = _embedding(network.token_embedding, f"{path}/Embed_0")
    for index, block in enumerate(network.blocks):
        names |= _block(block, f"{path}/TransformerBlock_{index}", "attention", _GATED_MLP)
    if network.conditioned:
        names |= _dense(network.output_norm.modulation.projection, next(dense_paths))
    else:
        names |= _variable(network.output_norm.scale, f"{path}/RMSNorm_0/scale")
    return names | _dense(network.head.projection, next(dense_paths))


_GATED_MLP = {
    "gate": "feed_forward/w1",
    "output_projection": "feed_forward/w2",
    "input_projection": "feed_forward/w3",
}
_MLP = {"hidden": "mlp/fc1", "output_projection": "mlp/fc2"}


def _block(block, path: str, attention: str, mlp: dict) -> dict:
    """Names of a transformer block, given those of its attention and of its MLP's layers."""
    if block.conditioning_type is None:
        names = _variable(block.attention_norm.scale, f"{path}/RMSNorm_0/scale")
        names |= _variable(block.mlp_norm.scale, f"{path}/RMSNorm_1/scale")
    else:
        names = _dense(block.modulation.projection, f"{path}/Dense_0")
    for layer, letter in zip(("query", "key", "value", "output_projection"), "qkvo", strict=True):
        names |= _dense(getattr(block.attention, layer), f"{path}/{attention}/w{letter}")
    for layer, name in mlp.items():
        names |= _dense(getattr(block.mlp, layer), f"{path}/{name}")
    return names


def _image_network(network, path: str) -> dict:
    names = _embedding(network.token_embedding, "Embed_0")
    names |= _dense(network.input_conv, f"{path}/Conv_0")
    blocks = [*network.down_blocks, *network.up_blocks]
    if isinstance(network, UViT):
        names |= _core(network, f"{path}/DiT_0")
        names |= _group_norm(network.output_norm, f"{path}/CondGroupNorm_0", "/GroupNorm_0")
    else:
        blocks[network.num_layers : network.num_layers] = network.middle_blocks
        names |= _pixel_attention(network.middle_attention, f"{path}/SelfAttention_0")
        names |= _group_norm(network.output_norm, f"{path}/GroupNorm_0")
    for index, block in enumerate(blocks):
        names |= _residual(block, f"{path}/ResBlock_{index}")
    return names | _dense(network.head.conv, f"{path}/Conv_1")


def _residual(block, path: str) -> dict:
    norm = ("CondGroupNorm", "/GroupNorm_0") if block.adaptive_norm else ("GroupNorm", "")
    names = _group_norm(block.norm_1, f"{path}/{norm[0]}_0", norm[1])
    names |= _dense(block.conv_1, f"{path}/Conv_0")
    names |= _group_norm(block.norm_2, f"{path}/{norm[0]}_1", norm[1])
    names |= _dense(block.conv_2, f"{path}/Conv_1")
    # Dense layers are numbered in order of use; some blocks lack one or both.
    layers = [layer for layer in (block.projection, block.shortcut) if layer is not None]
    for index, layer in enumerate(layers):
        names |= _dense(layer, f"{path}/Dense_{index}")
    return names


def _pixel_attention(attention, path: str) -> dict:
    names = _group_norm(attention.norm, f"{path}/GroupNorm_0")
    path = f"{path}/MultiHeadDotProductAttention_0"
    width = attention.query.units
    # One head: the published arrays have an axis of length 1 for it.
    for name in ("query", "key", "value"):
        layer = getattr(attention, name)
        names |= _variable(layer.kernel, f"{path}/{name}/kernel", (width, 1, width))
        names |= _variable(layer.bias, f"{path}/{name}/bias", (1, width))
    output = attention.output_projection
    names |= _variable(output.kernel, f"{path}/out/kernel", (1, width, width))
    return names | _variable(output.bias, f"{path}/out/bias")


def _core(network, path: str) -> dict:
    names = _dense(network.patch_embedding, f"{path}/x_embedder/proj")
    names |= _variable(network.position_embedding.embeddings, f"{path}/pos_embed")
    for index, block in enumerate(network.dit_blocks):
        names |= _block(block, f"{path}/blocks_{index}", "attn", _MLP)
    norm = network.dit_norm
    if isinstance(norm, AdaptiveLayerNorm):
        names |= _dense(norm.modulation.projection, f"{path}/final_layer/Dense_0")
    else:
        names |= _variable(norm.scale, f"{path}/final_layer/RMSNorm_0/scale")
    return names | _dense(network.dit_projection, f"{path}/final_layer/linear")
