"""Tokenizers by name, `named`, and one door to those that are kept in files, `load`."""

import os
import re
from pathlib import Path

from md4keras import presets
from md4keras.tokenizers.byte_pair import BytePairTokenizer
from md4keras.tokenizers.byte_pair_format import bad_file, read_json
from md4keras.tokenizers.bytes import ByteTokenizer
from md4keras.tokenizers.characters import CharacterTokenizer
from md4keras.tokenizers.descriptions import get

_FILE = "tokenizer.json"
_GPT2_FILES = [("vocab.json", "merges.txt"), ("vocabulary.json", "merges.txt")]
_GPT2_FILES += [("encoder.json", "vocab.bpe")]
_EXPECTED = (
    "a tokenizer.json of byte-pair pieces, a folder with vocab.json and merges.txt, a saved model, "
    "or a KerasHub preset such as gpt2_base_en"
)
_HANDLE = r"[a-z]+://.+|[a-z0-9]+(_[a-z0-9]+)+"  # one that KerasHub downloads


def named(name: str | os.PathLike, end_token: bool = False):
    """The tokenizer of `"text8"` or `"bytes"`, or what `load` finds.

    Args:
        name: str, one of these, or as of `load`.
        end_token: bool, whether the first two get an end of text.

    Raises:
        ValueError: as `load`.

    Example:

    >>> md4keras.tokenizers.named("bytes", end_token=True).vocabulary_size
    257
    """
    if name == "text8":
        return CharacterTokenizer(end_token=end_token)
    return ByteTokenizer(end_token) if name == "bytes" else load(name)


def load(source: str | os.PathLike):
    """A tokenizer from where it is kept.

    No code is loaded, and no file of more than 32 MiB.

    Args:
        source: path of a `tokenizer.json` (that of the package `tokenizers`, or of a saved model),
            or of a folder that holds one, or GPT-2's two files, or a KerasHub preset, or a saved
            model or its run; or the name of a preset that ships (`md4keras.presets.shipped`); or
            the name or handle of a KerasHub preset.

    Returns:
        A tokenizer; see `BytePairTokenizer.from_file` for its special tokens.

    Raises:
        ValueError: if there is none, or one of another kind.

    Example:

    >>> model.tokenizer = md4keras.tokenizers.CharacterTokenizer("abcde")
    >>> folder = md4keras.save_model(model, "runs/mine")
    >>> md4keras.tokenizers.load("runs/mine").vocabulary_size
    5
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return _of_folder(path)
    if path.exists():
        return _of_file(path)
    if os.fspath(source) in presets.shipped():
        return _of_folder(presets.shipped()[os.fspath(source)])
    if re.fullmatch(_HANDLE, os.fspath(source)):
        return BytePairTokenizer.from_preset(os.fspath(source))
    raise bad_file(source, "there is no such file or folder", _EXPECTED)


def _of_folder(folder: Path):
    places = [folder / _FILE, folder / "model" / _FILE]
    found = next((place for place in places if place.is_file()), None)
    if found is not None:
        return _of_file(found)
    for vocabulary, merges in _GPT2_FILES:
        if (folder / vocabulary).is_file() and (folder / merges).is_file():
            return BytePairTokenizer.from_gpt2(folder / vocabulary, folder / merges)
    raise bad_file(folder, "the folder holds none", _EXPECTED)


def _of_file(path: Path):
    content = read_json(path)
    keys = content.keys() if isinstance(content, dict) else set()
    if "class" in keys:
        return get(content)
    if "model" in keys:
        return BytePairTokenizer.from_file(path)
    if "class_name" in keys:  # KerasHub's, whose vocabulary is in another file
        return BytePairTokenizer.from_preset(str(path.parent))
    raise bad_file(path, "it describes no tokenizer", _EXPECTED, "Name another file.")
