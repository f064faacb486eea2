"""MDLM's and BD3LM's checkpoints as models: where the published parameters belong in a `DiT`.

Reference: Sahoo et al. 2024 (arXiv 2406.07524), Arriola et al. 2025 (arXiv 2503.09573), and the
models published with them.
"""

import numpy as np

from md4keras.conversion.arrays import check_shapes, checked_array
from md4keras.conversion.entries import check_mapping
from md4keras.conversion.mdlm_config import BD3LM_ENTRIES, MDLM_ENTRIES, build_dit, complete_config
from md4keras.layers import initializers
from md4keras.models import MD4, BlockDiffusion
from md4keras.networks import DiT
from md4keras.networks.dit import EPS, FREQUENCY_DIM
from md4keras.schedules import LogLinear

_FREQUENCIES = "backbone.rotary_emb.inv_freq"
_RANGE = ("sampling_eps_min", "sampling_eps_max")  # of the times that BD3LM was trained at


def from_mdlm(config: dict, params: dict) -> MD4:
    """A model with the weights of an MDLM checkpoint, in the global dtype policy.

    Its ids are the published ones: the mask is the last of them. The logit of the mask itself is
    left out.

    Args:
        config: the entries of the published `config.json`. What is left out takes its published
            default; the sizes have none.
        params: real, finite arrays by the names of the state dictionary, such as
            `"backbone.vocab_embed.embedding"`: all those of the model and no others.

    Returns:
        an `MD4` model of a `DiT`, with the schedule `LogLinear(1e-3)`.

    Raises:
        ValueError: for a missing or unknown entry or parameter, a wrong value or shape, or an
            entry of another architecture.

    Reference: Sahoo et al. 2024, *Simple and Effective Masked Diffusion Language Models*
    (arXiv 2406.07524), Eq. 10.
    """
    check_mapping("config", config)
    entries = complete_config(config, MDLM_ENTRIES)
    return MD4(_load(entries, params), LogLinear(EPS))


def from_bd3lm(config: dict, params: dict) -> BlockDiffusion:
    """A model with the weights of a BD3LM checkpoint, in the global dtype policy.

    Args:
        config, params: as of `from_mdlm`.

    Returns:
        a `BlockDiffusion` model of a `DiT`, with the published schedule `alpha = 1 - t`.

    Raises:
        ValueError: as `from_mdlm`.

    Reference: Arriola et al. 2025, *Block Diffusion: Interpolating Between Autoregressive and
    Diffusion Language Models* (arXiv 2503.09573), Eq. 8.
    """
    check_mapping("config", config)
    entries = complete_config(config, BD3LM_ENTRIES)
    return BlockDiffusion(_load(entries, params), entries["block_size"], LogLinear(0.0))


def _load(entries: dict, params: dict) -> DiT:
    check_mapping("params", params)
    shapes = _shapes(entries, params)
    check_shapes(params, shapes)  # before anything of that size is made
    _check_frequencies(entries, params)
    with initializers.left_out():
        network = build_dit(entries)
    for name, variables, ours in _targets(network):
        values = ours(checked_array(name, params[name], shapes[name]))
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    return network


def _shapes(entries: dict, params: dict) -> dict:
    """The published shape of each parameter, by its name."""
    tokens, width, small = (entries[k] for k in ("vocab_size", "hidden_dim", "cond_dim"))
    if entries["n_blocks"] > len(params):
        raise ValueError(
            "The config asks for more blocks than there are parameters. Expected at most "
            f"{len(params)}. Received: n_blocks={entries['n_blocks']}. Check the config and the "
            "files."
        )
    block = {
        "norm1.weight": (width,),
        "attn_qkv.weight": (3 * width, width),
        "attn_out.weight": (width, width),
        "norm2.weight": (width,),
        **_linear_shapes("mlp.0", 4 * width, width),
        **_linear_shapes("mlp.2", width, 4 * width),
        **_linear_shapes("adaLN_modulation", 6 * width, small),
    }
    whole = {
        "vocab_embed.embedding": (tokens, width),
        **_linear_shapes("sigma_map.mlp.0", small, FREQUENCY_DIM),
        **_linear_shapes("sigma_map.mlp.2", small, small),
        "output_layer.norm_final.weight": (width,),
        **_linear_shapes("output_layer.linear", tokens, width),
        **_linear_shapes("output_layer.adaLN_modulation", 2 * width, small),
    }
    for index in range(entries["n_blocks"]):
        whole |= {f"blocks.{index}.{name}": shape for name, shape in block.items()}
    shapes = {f"backbone.{name}": shape for name, shape in whole.items()}
    # What is no parameter is saved along with them, or not.
    buffers = {_FREQUENCIES: (width // entries["n_heads"] // 2,)}
    if entries["model_type"] == "bd3lm":
        buffers |= dict.fromkeys(_RANGE, ())
    return shapes | {name: shape for name, shape in buffers.items() if name in params}


def _linear_shapes(path: str, outputs: int, inputs: int) -> dict:
    return {f"{path}.weight": (outputs, inputs), f"{path}.bias": (outputs,)}


def _check_frequencies(entries: dict, params: dict) -> None:
    """Refuses a checkpoint whose rotary positions turn at another speed."""
    if _FREQUENCIES not in params:
        return
    size = entries["hidden_dim"] // entries["n_heads"]
    found = checked_array(_FREQUENCIES, params[_FREQUENCIES], (size // 2,))
    expected = 10_000.0 ** (-2 * np.arange(size // 2) / size)
    if not np.allclose(found, expected, rtol=1e-2):  # they may have been saved in bfloat16
        raise ValueError(
            f"The rotary positions are not those of the architecture. Expected '{_FREQUENCIES}' to "
            f"fall from 1 by factors of 10000^(-2/{size}). Received: {found[:4]}... Take a "
            "checkpoint of MDLM or BD3LM."
        )


def _targets(network):
    """Triples of a published name, variables, and the function from its array to their values."""
    yield _same(network.token_embedding.embeddings, "vocab_embed.embedding")
    hidden, projection = network.conditioning_mlp.hidden, network.conditioning_mlp.projection
    # Published: cosines, then sines.
    turned = lambda array: (np.roll(array.T, FREQUENCY_DIM // 2, axis=0),)  # noqa: E731
    yield "backbone.sigma_map.mlp.0.weight", (hidden.kernel,), turned
    yield _same(hidden.bias, "sigma_map.mlp.0.bias")
    yield from _linear(projection, "sigma_map.mlp.2")
    for index, block in enumerate(network.blocks):
        path, attention, mlp = f"blocks.{index}", block.attention, block.mlp
        yield _same(block.attention_norm.gamma, f"{path}.norm1.weight")
        kernels = attention.query.kernel, attention.key.kernel, attention.value.kernel
        yield f"backbone.{path}.attn_qkv.weight", kernels, lambda array: np.split(array.T, 3, 1)
        yield from _linear(attention.output_projection, f"{path}.attn_out")
        yield _same(block.mlp_norm.gamma, f"{path}.norm2.weight")
        yield from _linear(mlp.hidden, f"{path}.mlp.0")
        yield from _linear(mlp.output_projection, f"{path}.mlp.2")
        yield from _linear(block.modulation.projection, f"{path}.adaLN_modulation")
    norm = network.output_norm
    yield _same(norm.norm.gamma, "output_layer.norm_final.weight")
    yield from _linear(norm.modulation.projection, "output_layer.adaLN_modulation")
    yield from _linear(network.head.projection, "output_layer.linear")


def _same(variable, name: str):
    return f"backbone.{name}", (variable,), lambda array: (array,)


def _linear(layer, path: str):
    """Of a dense layer; outputs that it has not, as that of the mask, are left out."""
    units = layer.units
    yield f"backbone.{path}.weight", (layer.kernel,), lambda array: (array[:units].T,)
    if layer.use_bias:
        yield f"backbone.{path}.bias", (layer.bias,), lambda array: (array[:units],)
