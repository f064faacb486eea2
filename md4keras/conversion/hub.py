"""Checkpoints on the Hugging Face hub, `hf://owner/name`: only the files that are needed."""

from pathlib import Path

from md4keras.conversion.weight_files import SAFETENSORS, TORCH, has_weights
from md4keras.files import import_optional, one_line
from md4keras.presets.hubs import SHAPES, parts_of

CONFIG = "config.json"
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "vocab.json")
TOKENIZER += ("merges.txt",)
"""What the files of a tokenizer are called on the hub."""

SCHEME = "hf://"
_SHAPES = {"hf": SHAPES["hf"]}
_MOST_SMALL_BYTES = 2**25  # as tokenizers are read


def fetch_small(handle: str) -> Path:
    """Fetches the configuration and the tokenizer of a checkpoint, into the hub's own cache.

    Args:
        handle: str, `"hf://owner/name"`, or with a branch, tag or commit, `"...@revision"`.

    Returns:
        The folder of the snapshot.

    Raises:
        ImportError: if `huggingface_hub` is missing.
        ValueError: for what is no handle, cannot be fetched, or is too large. Without a network
            (or with `HF_HUB_OFFLINE=1`) the cache serves what it has.
    """
    name, _, revision = parts_of(handle, _SHAPES)[1].partition("@")
    wanted = {"repo_id": name, "revision": revision or None, "allow_patterns": [CONFIG, *TOKENIZER]}
    for file in _asked(handle, {**wanted, "dry_run": True}) or ():
        if (file.file_size or 0) > _MOST_SMALL_BYTES:
            raise ValueError(
                f"The repository's '{file.filename}' is too large. Expected at most "
                f"{_MOST_SMALL_BYTES:,} bytes. Received: {file.file_size:,} in '{handle}'. Do not "
                "load it."
            )
    return Path(_asked(handle, wanted))


def fetch_weights(handle: str, folder: Path) -> Path:
    """Fetches the weights of the same revision: those in safetensors, or else PyTorch's.

    Args:
        handle: str, as of `fetch_small`.
        folder: path that it returned, which is called by the commit.
    """
    name = parts_of(handle, _SHAPES)[1].partition("@")[0]
    wanted = {"repo_id": name, "revision": folder.name}
    found = Path(_asked(handle, {**wanted, "allow_patterns": [*SAFETENSORS]}))
    if has_weights(found):
        return found
    return Path(_asked(handle, {**wanted, "allow_patterns": [*TORCH]}))


def name_of(handle: str) -> str:
    """The name of a checkpoint, without its owner."""
    return parts_of(handle, _SHAPES)[1].partition("@")[0].partition("/")[2]


def _asked(handle: str, wanted: dict):
    """What the hub's library says to a wish; `None` to a plan without a network."""
    hub = import_optional("huggingface_hub", "fetches checkpoints from the Hugging Face hub")
    try:
        return hub.snapshot_download(**wanted)
    except hub.errors.DryRunError:
        return None
    except Exception as error:  # network errors come as many types
        raise ValueError(
            f"The checkpoint could not be fetched from the Hugging Face hub ({one_line(error)}). "
            f"Expected a repository of a model. Received: '{handle}'. Check its name, or download "
            "it where there is a network and name the folder."
        ) from error
