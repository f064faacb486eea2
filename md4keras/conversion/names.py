"""The published implementation's parameters, and where they belong in our networks."""

from md4keras.layers import AdaptiveGroupNorm
from md4keras.networks import Transformer, UViT


def parameter_names(network) -> dict:
    """The published parameters of a network, by their names below the published network.

    Args:
        network: a `Transformer`, `UNet` or `UViT`.

    Returns:
        dictionary from names such as `"Transformer_0/Dense_0/kernel"` to `(variable, shape)`, the
        shape being that of the published array, which has as many numbers as the variable.
    """
    return dict(_network(network))


def _network(network):
    """Pairs of a published name and `(variable, shape)`, as all functions below."""
    if network.num_classes:
        yield from _layer(network.label_embedding, "cond_embeddings")
    if network.time_conditioned:
        yield from _layer(network.conditioning_mlp.hidden, "CondEmbedding_0/dense0")
        yield from _layer(network.conditioning_mlp.projection, "CondEmbedding_0/Dense_0")
    if isinstance(network, Transformer):
        yield from _transformer(network, "Transformer_0")
    else:
        yield from _image_network(network, "UNet5DWrapper_0/UNet_0")


_RENAMED = {"embeddings": "embedding", "gamma": "scale", "beta": "bias"}


def _layer(layer, path: str):
    """Of a dense layer, convolution, embedding or norm."""
    for variable in layer.weights:
        name = _RENAMED.get(variable.name, variable.name)
        yield f"{path}/{name}", (variable, tuple(variable.shape))


def _transformer(network, path: str):
    # Top dense layers are numbered in order of use; some networks lack the first or second.
    dense_paths = iter(f"{path}/Dense_{index}" for index in range(3))
    if network.embedding == "outside":
        yield from _layer(network.token_embedding, "Embed_0")
        yield from _layer(network.embedding_projection, next(dense_paths))
    else:
        yield from _layer(network.token_embedding, f"{path}/Embed_0")
    for index, block in enumerate(network.blocks):
        yield from _block(block, f"{path}/TransformerBlock_{index}", "attention", _GATED_MLP)
    if network.conditioned:
        yield from _layer(network.output_norm.modulation.projection, next(dense_paths))
    else:
        yield from _layer(network.output_norm, f"{path}/RMSNorm_0")
    yield from _layer(network.head.projection, next(dense_paths))


_GATED_MLP = {
    "gate": "feed_forward/w1",
    "output_projection": "feed_forward/w2",
    "input_projection": "feed_forward/w3",
}
_MLP = {"hidden": "mlp/fc1", "output_projection": "mlp/fc2"}


def _block(block, path: str, attention: str, mlp: dict):
    """Of a transformer block, given the names of its attention and of its MLP's layers."""
    if block.conditioning_type is None:
        yield from _layer(block.attention_norm, f"{path}/RMSNorm_0")
        yield from _layer(block.mlp_norm, f"{path}/RMSNorm_1")
    else:
        yield from _layer(block.modulation.projection, f"{path}/Dense_0")
    for layer, letter in zip(("query", "key", "value", "output_projection"), "qkvo", strict=True):
        yield from _layer(getattr(block.attention, layer), f"{path}/{attention}/w{letter}")
    for layer, name in mlp.items():
        yield from _layer(getattr(block.mlp, layer), f"{path}/{name}")


def _image_network(network, path: str):
    yield from _layer(network.token_embedding, "Embed_0")
    yield from _layer(network.input_conv, f"{path}/Conv_0")
    blocks = [*network.down_blocks, *network.up_blocks]
    if isinstance(network, UViT):
        yield from _core(network, f"{path}/DiT_0")
    else:
        blocks[network.num_layers : network.num_layers] = network.middle_blocks
        yield from _pixel_attention(network.middle_attention, f"{path}/SelfAttention_0")
    yield from _norm(network.output_norm, network.adaptive_norm, path, 0)
    for index, block in enumerate(blocks):
        yield from _residual(block, f"{path}/ResBlock_{index}")
    yield from _layer(network.head.conv, f"{path}/Conv_1")


def _norm(norm, adaptive: bool, path: str, index: int):
    """Of a group norm; where norms can be adapted, one without conditioning lies a level deeper."""
    path = f"{path}/CondGroupNorm_{index}" if adaptive else path
    if isinstance(norm, AdaptiveGroupNorm):
        yield from _layer(norm.projection, f"{path}/Dense_0")
    else:
        yield from _layer(norm, f"{path}/GroupNorm_{0 if adaptive else index}")


def _residual(block, path: str):
    yield from _norm(block.norm_1, block.adaptive_norm, path, 0)
    yield from _layer(block.conv_1, f"{path}/Conv_0")
    yield from _norm(block.norm_2, block.adaptive_norm, path, 1)
    yield from _layer(block.conv_2, f"{path}/Conv_1")
    # Dense layers are numbered in order of use; some blocks lack one or both.
    layers = [layer for layer in (block.projection, block.shortcut) if layer is not None]
    for index, layer in enumerate(layers):
        yield from _layer(layer, f"{path}/Dense_{index}")


def _pixel_attention(attention, path: str):
    yield from _layer(attention.norm, f"{path}/GroupNorm_0")
    path = f"{path}/MultiHeadDotProductAttention_0"
    width = attention.query.units
    # One head: the published arrays have an axis of length 1 for it.
    for name in ("query", "key", "value"):
        layer = getattr(attention, name)
        yield f"{path}/{name}/kernel", (layer.kernel, (width, 1, width))
        yield f"{path}/{name}/bias", (layer.bias, (1, width))
    yield f"{path}/out/kernel", (attention.output_projection.kernel, (1, width, width))
    yield f"{path}/out/bias", (attention.output_projection.bias, (width,))


def _core(network, path: str):
    yield from _layer(network.patch_embedding, f"{path}/x_embedder/proj")
    positions = network.position_embedding.embeddings
    yield f"{path}/pos_embed", (positions, tuple(positions.shape))
    for index, block in enumerate(network.dit_blocks):
        yield from _block(block, f"{path}/blocks_{index}", "attn", _MLP)
    if network.conditioned:
        yield from _layer(network.dit_norm.modulation.projection, f"{path}/final_layer/Dense_0")
    else:
        yield from _layer(network.dit_norm, f"{path}/final_layer/RMSNorm_0")
    yield from _layer(network.dit_projection, f"{path}/final_layer/linear")
