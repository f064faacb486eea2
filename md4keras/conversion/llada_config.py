"""The entries of LLaDA's `config.json`: those that are converted, and those that say nothing here.

Reference: Nie et al. 2025, *Large Language Diffusion Models* (arXiv 2502.09992), and the
configuration class published with it.
"""

from md4keras.checks import RATE, Interval
from md4keras.conversion.entries import (
    BOOL,
    at_least,
    between,
    complete,
    number,
    one_of,
    only,
    optional,
)
from md4keras.networks import Llama
from md4keras.weights_file import MOST_POSITIONS

_POSITIVE = number(Interval(0, with_low=False))
ENTRIES = {
    # the sizes
    "d_model": (None, at_least(1)),
    "n_heads": (None, at_least(1)),
    "n_kv_heads": (None, optional(at_least(1))),
    "multi_query_attention": (None, optional(BOOL)),
    "n_layers": (None, at_least(1)),
    "mlp_hidden_size": (None, optional(at_least(1))),
    "mlp_ratio": (4, at_least(1)),
    "vocab_size": (None, at_least(2)),
    "embedding_size": (None, optional(at_least(2))),
    "mask_token_id": (None, at_least(0)),
    "max_sequence_length": (1024, between(1, MOST_POSITIONS)),
    "rope_theta": (10_000.0, number(Interval(1, with_low=False))),
    "rms_norm_eps": (1e-5, _POSITIVE),
    "weight_tying": (True, BOOL),
    # the architecture, of which one alone is converted
    "model_type": ("llada", one_of("llada")),
    "architectures": (
        ["LLaDAModelLM"],
        (lambda value: value == ["LLaDAModelLM"], "['LLaDAModelLM']"),
    ),
    "block_type": ("sequential", only("llama")),
    "block_group_size": (1, only(1)),
    "activation_type": ("swiglu", only("silu")),  # of the gate: SwiGLU is made of it
    "layer_norm_type": ("default", only("rms")),
    "layer_norm_with_affine": (True, only(True)),
    "bias_for_layer_norm": (None, only(None, False)),
    "attention_layer_norm": (False, only(False)),
    "include_bias": (False, only(False)),
    "include_qkv_bias": (False, only(None, False)),
    "rope": (False, only(True)),
    "alibi": (False, only(False)),
    "input_emb_norm": (False, only(False)),
    "scale_logits": (False, only(False)),
    # without effect on the logits: of training, or of what was left out above
    "attention_dropout": (0.1, number(RATE)),
    "residual_dropout": (0.1, number(RATE)),
    "embedding_dropout": (0.1, number(RATE)),
}
"""The published default of each entry (sizes have none), its test, and what that expects."""

WITHOUT_EFFECT = {
    *("alibi_bias_max", "attention_layer_norm_with_affine", "rope_full_precision"),
    *("flash_attention", "use_cache", "precision", "init_device", "init_fn", "init_std"),
    *("init_cutoff_factor", "train_max_sequence_length", "eos_token_id", "pad_token_id"),
    *("bos_token_id", "auto_map", "torch_dtype", "dtype", "transformers_version"),
    *("tie_word_embeddings", "return_dict", "_name_or_path", "_attn_implementation_autoset"),
}
"""Entries that change no logit of a model in float32."""


def complete_config(config: dict) -> dict:
    """All entries of a config that have an effect, checked.

    Raises:
        ValueError: for an unknown or missing entry, a wrong value or one of another architecture.
    """
    given = {name: value for name, value in config.items() if name not in WITHOUT_EFFECT}
    entries = complete(given, ENTRIES, "config setting")
    tokens, mask, rows = (
        entries[name] for name in ("vocab_size", "mask_token_id", "embedding_size")
    )
    if mask >= tokens:
        raise _disagreement("mask_token_id", mask, f"an id below vocab_size={tokens}")
    if rows is not None and rows < tokens:
        raise _disagreement("embedding_size", rows, f"at least vocab_size={tokens}")
    if entries["d_model"] % (2 * entries["n_heads"]):
        expected = f"a divisor of d_model={entries['d_model']}, with heads of even size"
        raise _disagreement("n_heads", entries["n_heads"], expected)
    single = entries["multi_query_attention"]
    said = None if single is None else 1 if single else entries["n_heads"]
    if (groups := entries["n_kv_heads"]) is not None and said not in (None, groups):
        expected = f"{said} with multi_query_attention={single}"
        raise _disagreement("n_kv_heads", groups, expected)
    return {
        **entries,
        "n_kv_heads": groups or said or entries["n_heads"],
        "mlp_hidden_size": entries["mlp_hidden_size"] or entries["mlp_ratio"] * entries["d_model"],
        "embedding_size": rows or tokens,
    }


def build_llama(entries: dict) -> Llama:
    """The network that all entries of a config describe, with new weights."""
    return Llama(
        vocabulary_size=entries["vocab_size"] - 1,  # the mask is one of the published ids
        sequence_length=entries["max_sequence_length"],
        num_layers=entries["n_layers"],
        num_heads=entries["n_heads"],
        hidden_dim=entries["d_model"],
        intermediate_dim=entries["mlp_hidden_size"],
        num_key_value_heads=entries["n_kv_heads"],
        rope_max_wavelength=entries["rope_theta"],
        layer_norm_epsilon=entries["rms_norm_eps"],
        tie_word_embeddings=entries["weight_tying"],
    )


def _disagreement(name: str, value, expected: str) -> ValueError:
    return ValueError(
        f"Two entries of the config disagree. Expected {expected}. Received: {name}={value}. Give "
        "the values that the checkpoint was trained with."
    )
