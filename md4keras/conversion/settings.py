"""The settings of the published MD4 and GenMD4 runs: constructor arguments by name or from a file.

Reference: https://github.com/google-deepmind/md4, `md4/configs`, with the overrides that its
launcher applies.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from md4keras.checks import check_name
from md4keras.conversion.arguments import GENMD4_ARGUMENTS, MD4_ARGUMENTS
from md4keras.conversion.checkpoint_files import read_json, unreadable

_OF_TYPE = {"md4": MD4_ARGUMENTS, "genmd4": GENMD4_ARGUMENTS}
_RENAMED = {"noise_schedule": "noise_schedule_type"}  # by the published `get_model`
_DIFFUSION = {"time_features": "t", "cont_time": True, "classes": -1}
_MD4 = {**_DIFFUSION, "noise_schedule_type": "linear", "sampler": "ancestral"}
_GENMD4 = {**_DIFFUSION, "noise_schedule_type": "poly", "power_init": 1.0}
_SMALL = {"feature_dim": 64, "n_layers": 12, "num_heads": 12, "mlp_type": "glu"}
_SMALL |= {"depth_scaled_init": True, "cond_type": "adaln_zero"}
_TEXT8 = {**_SMALL, "data_shape": [256], "vocab_size": 27, "outside_embed": True}
_TEXT8 |= {"dropout_rate": 0.05}
_GPT2 = {**_SMALL, "data_shape": [1024], "vocab_size": 50257, "dropout_rate": 0.02}
_PIXELS = {**_MD4, "vocab_size": 256, "timesteps": 256, "dropout_rate": 0.1}
_IMAGENET = {**_PIXELS, "data_shape": [64, 64, 3], "feature_dim": 256, "dit_num_heads": 12}
_IMAGENET |= {"ch_mult": [1], "dit_hidden_size": 768}

PUBLISHED = {
    "md4_text8": {**_MD4, **_TEXT8},
    "md4_openwebtext": {**_MD4, **_GPT2},
    "md4_openwebtext_medium": {
        **_MD4,
        **_GPT2,
        "noise_schedule_type": "cosine",
        "n_layers": 24,
        "num_heads": 16,
        "dropout_rate": 0.0,
        "sampling_grid": "uniform",
    },
    "md4_fineweb_edu": {**_MD4, **_GPT2},
    "md4_cifar10": {**_PIXELS, "data_shape": [32, 32, 3], "feature_dim": 128, "n_layers": 32},
    "md4_imagenet64": {**_IMAGENET, "n_layers": 8, "n_dit_layers": 20},
    "md4_imagenet64_best_likelihood": {**_IMAGENET, "n_layers": 24, "n_dit_layers": 12},
    "genmd4_text8": {**_GENMD4, **_TEXT8},
    "genmd4_openwebtext": {**_GENMD4, **_GPT2, "vocab_size": 50259},
}
"""Arguments of `from_md4` by the names of the published runs; defaults are left out."""

TEXT8_SYMBOLS = "abcdefghijklmnopqrstuvwxyz "
"""The symbols of text8 in the published order; this package's own recipe has the space first."""


def constructor_of(config) -> dict:
    """The arguments of the published class.

    Args:
        config: a name of `PUBLISHED`, the path of a JSON file, or a dictionary: the arguments of
            `from_md4`; or a whole published configuration, which is known by its `model_type`
            (`config.to_json_best_effort()` writes it), and whose entries of training are ignored.

    Raises:
        ValueError: if it is none of these, or of another `model_type`.
    """
    if isinstance(config, (str, os.PathLike)):
        name = os.fspath(config)
        if name in PUBLISHED:
            return dict(PUBLISHED[name])
        if not Path(name).expanduser().is_file():
            mend = "Name one of these, or a JSON file with the constructor's arguments."
            check_name("config", name, PUBLISHED, mend)
        config = read_json(Path(name).expanduser())
    if not isinstance(config, Mapping):
        raise ValueError(
            "`config` cannot be used. Expected a name, a path, or a dictionary. "
            f"Received: config of type {type(config).__name__}. Give a name of {[*PUBLISHED]}."
        )
    if "model_type" not in config:
        return dict(config)
    known = _OF_TYPE.get(str(config["model_type"]))
    if known is None:
        raise unreadable(
            "config",
            f"its model is of another type, {config['model_type']!r}",
            f"model_type of {[*_OF_TYPE]}",
            "Only these are converted.",
        )
    named = {_RENAMED.get(name, name): value for name, value in config.items()}
    return {name: named[name] for name in known if named.get(name) is not None}
