"""LLaDA's checkpoints as models: where the published parameters belong in a `Llama`.

Reference: Nie et al. 2025, *Large Language Diffusion Models* (arXiv 2502.09992), and the model
published with it.
"""

import operator

import numpy as np

from md4keras.conversion.arrays import check_shapes, checked_array
from md4keras.conversion.entries import check_mapping
from md4keras.conversion.llada_config import build_llama, complete_config
from md4keras.layers import initializers
from md4keras.models import MD4
from md4keras.models.published_ids import to_published

_LAYERS = {
    "attn_norm": "attention_norm",
    "q_proj": "attention.query",
    "k_proj": "attention.key",
    "v_proj": "attention.value",
    "attn_out": "attention.output_projection",
    "ff_norm": "mlp_norm",
    "ff_proj": "mlp.gate",
    "up_proj": "mlp.input_projection",
    "ff_out": "mlp.output_projection",
}
"""The layers of a block, by their published names."""


def from_llada(config: dict, params: dict) -> MD4:
    """A model with the weights of a LLaDA checkpoint, in the global dtype policy.

    The published mask lies between the tokens. Here it is `V`, one past the last token, and the
    tokens above it have moved down by one: `model.ids_from_published` and `ids_to_published`
    translate. Logits of the mask itself, and of rows that fill the published table up
    (`embedding_size`), are left out. The network is made without dropout.

    Args:
        config: the entries of the published `config.json`. What is left out takes its published
            default; the sizes have none.
        params: real, finite arrays by the names of the state dictionary, such as
            `"model.transformer.wte.weight"`: all those of the model and no others. They are read
            one after the other, so a mapping that reads a file will do.

    Returns:
        an `MD4` model of a `Llama`, with the linear schedule of LLaDA's training.

    Raises:
        ValueError: for a missing or unknown entry or parameter, a wrong value or shape, or an
            entry of another architecture.

    Reference: Nie et al. 2025 (arXiv 2502.09992), Eq. 3 and Appendix A.
    """
    check_mapping("config", config)
    check_mapping("params", params)
    entries = complete_config(config)
    shapes = _shapes(entries, len(params))
    check_shapes(params, shapes)  # before anything of that size is made
    with initializers.left_out():
        network = build_llama(entries)
    model = MD4(network, "linear", published_mask=entries["mask_token_id"])
    ids = np.arange(entries["vocab_size"])
    order = to_published(ids, network.vocabulary_size, model.published_mask)
    for name, (variable, ours) in _targets(network, order):
        variable.assign(ours(checked_array(name, params[name], shapes[name])))
    return model


def _shapes(entries: dict, most_layers: int) -> dict:
    """The published shape of each parameter, by its name."""
    width, hidden, count = (entries[k] for k in ("d_model", "mlp_hidden_size", "n_layers"))
    shared = width // entries["n_heads"] * entries["n_kv_heads"]
    block = {
        **dict.fromkeys(("attn_norm", "ff_norm"), (width,)),
        **dict.fromkeys(("q_proj", "attn_out"), (width, width)),
        **dict.fromkeys(("k_proj", "v_proj"), (shared, width)),
        **dict.fromkeys(("ff_proj", "up_proj"), (hidden, width)),
        "ff_out": (width, hidden),
    }
    if count > most_layers:
        raise ValueError(
            f"The config asks for more layers than there are parameters. Expected at most "
            f"{most_layers}. Received: n_layers={count}. Check the config and the files."
        )
    table = (entries["embedding_size"], width)
    whole = {_name("wte"): table, _name("ln_f"): (width,)}
    if not entries["weight_tying"]:
        whole[_name("ff_out")] = table
    blocks = (
        (_name(name, index), shape) for index in range(count) for name, shape in block.items()
    )
    return {**whole, **dict(blocks)}


def _name(layer: str, block: int | None = None) -> str:
    return f"model.transformer.{'' if block is None else f'blocks.{block}.'}{layer}.weight"


def _targets(network, order):
    """Pairs of a published name and `(variable, function from the published array to ours)`.

    Args:
        order: int `[V + 1]`, the published ids of the tokens and the mask.
    """
    embeddings = network.token_embedding.embeddings
    yield _name("wte"), (embeddings, lambda array: array[order])
    for index, block in enumerate(network.blocks):
        for name, path in _LAYERS.items():
            (variable,) = operator.attrgetter(path)(block).weights
            yield _name(name, index), (variable, np.transpose)
    (scale,) = network.output_norm.weights
    yield _name("ln_f"), (scale, np.asarray)
    if not network.tie_word_embeddings:
        yield _name("ff_out"), (network.head.projection.kernel, lambda array: array[order[:-1]].T)
