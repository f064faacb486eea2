"""The entries of MDLM's and BD3LM's `config.json`: those that are converted, and the others.

Reference: Sahoo et al. 2024 (arXiv 2406.07524), Arriola et al. 2025 (arXiv 2503.09573), and the
configuration classes published with them.
"""

from md4keras.checks import RATE
from md4keras.conversion.entries import BOOL, at_least, between, complete, number, one_of, only
from md4keras.networks import DiT
from md4keras.weights_file import MOST_POSITIONS

_SHARED = {
    "vocab_size": (None, at_least(2)),
    "model_length": (1024, between(1, MOST_POSITIONS)),
    "hidden_dim": (None, at_least(2)),
    "cond_dim": (None, at_least(4)),
    "n_blocks": (None, at_least(1)),
    "n_heads": (None, at_least(1)),
    "dropout": (0.1, number(RATE)),
}
MDLM_ENTRIES = {
    **_SHARED,
    "model_type": ("mdlm", one_of("mdlm")),
    "time_conditioning": (False, BOOL),
}
"""The published default of each entry (sizes have none), its test, and what that expects."""

BD3LM_ENTRIES = {
    **_SHARED,
    "model_type": ("bd3lm", one_of("bd3lm")),
    "block_size": (None, between(1, MOST_POSITIONS)),
    # the architecture, of which one alone is converted
    "adaln": (True, only(True)),
    "cross_attn": (True, only(True)),
    "causal": (False, only(False)),
    "time_conditioning": (False, only(False)),
}
"""As `MDLM_ENTRIES`."""

WITHOUT_EFFECT = {
    *("attn_backend", "var_min", "sampling_eps_min", "sampling_eps_max"),
    *("architectures", "auto_map", "torch_dtype", "dtype", "transformers_version", "return_dict"),
    *("_name_or_path", "_attn_implementation_autoset", "tie_word_embeddings", "use_cache"),
    *("bos_token_id", "eos_token_id", "pad_token_id", "mask_token_id", "tokenizer_class"),
}
"""Entries that change no logit of a model in float32."""


def complete_config(config: dict, known: dict) -> dict:
    """All entries of a config that have an effect, checked.

    Raises:
        ValueError: for an unknown or missing entry, a wrong value or one of another architecture.
    """
    given = {name: value for name, value in config.items() if name not in WITHOUT_EFFECT}
    if "model_type" in given:  # first, as the other names of another architecture differ too
        complete({"model_type": given["model_type"]}, {"model_type": known["model_type"]}, _WHAT)
    entries = complete(given, known, _WHAT)
    if entries["hidden_dim"] % (2 * entries["n_heads"]):
        raise ValueError(
            "Two entries of the config disagree. Expected a divisor of hidden_dim="
            f"{entries['hidden_dim']} that leaves heads of even size. Received: "
            f"n_heads={entries['n_heads']}. Give the values that the checkpoint was trained with."
        )
    return entries


_WHAT = "entry of the config"


def build_dit(entries: dict) -> DiT:
    """The network that all entries of a config describe, with new weights."""
    return DiT(
        vocabulary_size=entries["vocab_size"] - 1,  # the mask is the last of the published ids
        sequence_length=entries["model_length"],
        num_layers=entries["n_blocks"],
        num_heads=entries["n_heads"],
        hidden_dim=entries["hidden_dim"],
        feature_dim=entries["cond_dim"],
        time_features="t" if entries["time_conditioning"] else "none",
        dropout=entries["dropout"],
    )
