"""The `tokenizer.json` of byte-pair word pieces: read with a bound, checked, and made plain.

Such a file is from outside. It is data, JSON of bounded size; what it may say is listed here, and
all else is refused. What is accepted encodes every text, and decodes it to itself.
"""

import json
import os
from pathlib import Path

from md4keras.files import printable
from md4keras.presets import layout

MOST_BYTES = layout.MOST_BYTES[layout.TOKENIZER]  # that of 200,000 pieces has 25 million
MOST_IDS = 2**20
_SPLITTERS = {"ByteLevel", "Digits", "Punctuation", "Split"}
_KINDS = "byte-pair pieces of bytes (model 'BPE', pre-tokenizer 'ByteLevel'), as GPT-2's"
_MEND = "Take another tokenizer, or train one: md4keras data tokenizer."

GPT2_SPLITTER = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
GPT2_SPLITTER |= {"use_regex": True}
"""How GPT-2 cuts a text into words before its pieces are looked up."""


def byte_symbols() -> dict[str, int]:
    """The characters that stand for the 256 bytes in a vocabulary, as in GPT-2's files.

    Printable characters of Latin-1 stand for themselves, and the others are moved past it in turn.

    Source: `bytes_to_unicode` of https://github.com/openai/gpt-2/blob/master/src/encoder.py
    """
    plain = {*range(33, 127), *range(161, 173), *range(174, 256)}
    moved = [byte for byte in range(256) if byte not in plain]
    symbols = {chr(byte): byte for byte in sorted(plain)}
    return symbols | {chr(256 + number): byte for number, byte in enumerate(moved)}


BYTE_OF_SYMBOL = byte_symbols()


def read_json(path: str | os.PathLike):
    """The content of a JSON file of at most `MOST_BYTES`.

    Raises:
        ValueError: if there is no such file, or it is too large or no JSON.
    """
    text = read_text(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise bad_file(path, f"it is not JSON ({error})", "a file in JSON") from error


def read_text(path: str | os.PathLike) -> str:
    """The content of a text file of at most `MOST_BYTES`, in UTF-8; errors as of `read_json`."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise bad_file(path, f"it is not UTF-8 ({error.reason})", "text in UTF-8") from error


def read_bytes(path: str | os.PathLike) -> bytes:
    """The content of a file of at most `MOST_BYTES`; errors as of `read_json`."""
    expected = f"a regular file of at most {MOST_BYTES // 2**20} MiB"
    try:
        if not Path(path).is_file():
            raise bad_file(path, "there is no such file", expected)
        with open(path, "rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise bad_file(path, error.strerror or str(error), expected) from error
    if len(data) > MOST_BYTES:
        raise bad_file(path, "it is too large", expected)
    return data


def bad_file(path, problem: str, expected: str, mend: str = "Check the path.") -> ValueError:
    """The error that says why a file is no tokenizer's."""
    shown = printable(os.fspath(path))
    return ValueError(
        f"The tokenizer cannot be read: {problem}. Expected {expected}. Received: '{shown}'. {mend}"
    )


def content_of(vocabulary, merges, special_tokens) -> dict:
    """The content of a `tokenizer.json` from its parts.

    Args:
        vocabulary: dict of pieces, in `byte_symbols`, to ids.
        merges: strings `"a b"`, the first one first.
        special_tokens: strings, names of tokens that no text is encoded to; those without an id
            get the ids that follow.
    """
    _check_ids(_pieces(vocabulary).values())
    added, following = [], 1 + max(vocabulary.values())
    for name in special_tokens:
        added.append({"id": vocabulary.get(name, following), "content": name, "special": True})
        following += name not in vocabulary
    model = {"type": "BPE", "vocab": vocabulary, "merges": merges}
    return {"added_tokens": added, "pre_tokenizer": GPT2_SPLITTER, "model": model}


def checked(content) -> dict:
    """What counts of a `tokenizer.json`, as a content that is plain and complete.

    Truncation, padding and what a post-processor puts round a text are left out: a text is encoded
    to its own tokens.

    Args:
        content: JSON values, the content of the file.

    Raises:
        ValueError: for another kind of tokenizer, or a content that makes none.
    """
    if not isinstance(content, dict) or not isinstance(content.get("model"), dict):
        raise _refused("it has no model", type(content).__name__)
    model = content["model"]
    kind = model.get("type", "BPE" if "merges" in model else None)
    if kind != "BPE":
        raise _refused("it is of another kind", f"a model of type {kind!r}")
    for name in ("continuing_subword_prefix", "end_of_word_suffix"):
        if model.get(name):
            raise _refused("its pieces carry marks", f"{name}={model[name]!r}")
    splitter, normalizer = content.get("pre_tokenizer"), content.get("normalizer")
    _check_splitter(splitter)
    if not all(each == {"type": "NFC"} for each in _sequence(normalizer, "normalizers")):
        raise _refused("it changes the text", f"normalizer {str(normalizer)[:80]}")
    added = _added(content.get("added_tokens") or [])
    pieces = _pieces(model.get("vocab"))
    if any(pieces.get(each["content"], each["id"]) != each["id"] for each in added):
        raise _refused("a token has two ids", "added_tokens that the vocabulary knows otherwise")
    pieces = pieces | {each["content"]: each["id"] for each in added}
    _check_ids(pieces.values())
    specials = {each["content"] for each in added if each["special"]}
    ordinary = pieces.keys() - specials
    lacking = BYTE_OF_SYMBOL.keys() - ordinary
    if lacking:
        raise _refused("it cannot encode every text", f"a vocabulary without {len(lacking)} bytes")
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": normalizer,
        "pre_tokenizer": splitter,
        "post_processor": None,
        "decoder": {**GPT2_SPLITTER, "add_prefix_space": True},
        "model": {
            "type": "BPE",
            "ignore_merges": model.get("ignore_merges") is True,
            "vocab": pieces,
            "merges": _merges(model.get("merges"), ordinary),
        },
    }


def bytes_of_ids(content: dict) -> list[bytes]:
    """What each id stands for, of a checked content; nothing for an id that no token has."""
    added = {each["content"] for each in content["added_tokens"]}  # written as they are
    vocabulary = content["model"]["vocab"]
    found = [b""] * (1 + max(vocabulary.values()))
    for piece, number in vocabulary.items():
        if piece not in added and all(symbol in BYTE_OF_SYMBOL for symbol in piece):
            found[number] = bytes([BYTE_OF_SYMBOL[symbol] for symbol in piece])
        else:
            found[number] = piece.encode("utf-8", "replace")
    return found


def without_special_tokens(content: dict) -> dict:
    """A checked content for encoding: what the library does not know, it finds in no text."""
    special = {each["content"] for each in content["added_tokens"] if each["special"]}
    added = [each for each in content["added_tokens"] if not each["special"]]
    vocabulary = content["model"]["vocab"]
    vocabulary = {piece: number for piece, number in vocabulary.items() if piece not in special}
    return {**content, "added_tokens": added, "model": {**content["model"], "vocab": vocabulary}}


def splits_as_gpt2(content: dict) -> bool:
    """Whether texts are cut into words as by GPT-2, and nothing else is done to them before."""
    splitter = content["pre_tokenizer"]
    alike = splitter["type"] == "ByteLevel" and splitter.get("use_regex", True) is True
    plain = all(each["special"] for each in content["added_tokens"])
    return alike and plain and content["normalizer"] is None


def _check_splitter(splitter) -> None:
    """Raises a `ValueError` for what would drop or add characters, or leave no bytes."""
    parts = _sequence(splitter, "pretokenizers")
    kinds = [each.get("type") if isinstance(each, dict) else None for each in parts]
    if kinds.count("ByteLevel") != 1 or not set(kinds) <= _SPLITTERS:
        raise _refused("it is of another kind", f"pre-tokenizers {str(kinds)[:80]}")
    for each in parts:
        if each["type"] == "ByteLevel" and each.get("add_prefix_space") is not False:
            raise _refused("it puts a space before a text", "add_prefix_space=True")
        if each.get("behavior") == "Removed":
            raise _refused("it drops characters", "behavior='Removed'")


def _sequence(part, name: str) -> list:
    """The steps of a normalizer or a pre-tokenizer, which may be one, several or none."""
    if isinstance(part, dict) and part.get("type") == "Sequence":
        parts = part.get(name)
        return parts if isinstance(parts, list) and len(parts) <= 20 else [None]
    return [] if part is None else [part]


def _added(tokens) -> list[dict]:
    """The added tokens; those that would take spaces beside them count as special ones."""
    good = isinstance(tokens, list) and len(tokens) <= MOST_IDS
    good = good and all(
        isinstance(each, dict) and isinstance(each.get("content"), str) and each["content"]
        for each in tokens
    )
    if not good or len({each["content"] for each in tokens}) != len(tokens):
        raise _refused("its added tokens are none", "added_tokens without a content of their own")
    takes = ("single_word", "lstrip", "rstrip")
    plain = dict.fromkeys((*takes, "normalized"), False)
    return [
        {"id": each.get("id"), "content": each["content"], **plain}
        | {"special": bool(each.get("special")) or any(each.get(name) for name in takes)}
        for each in tokens
    ]


def _pieces(vocabulary) -> dict:
    if not isinstance(vocabulary, dict) or not vocabulary or "" in vocabulary:
        raise _refused("its vocabulary is none", f"vocab of {type(vocabulary).__name__}")
    return vocabulary


def _check_ids(ids) -> None:
    good = all(isinstance(i, int) and not isinstance(i, bool) and 0 <= i < MOST_IDS for i in ids)
    if not good or len(set(ids)) != len(ids):
        raise _refused(
            f"its ids are not whole numbers below {MOST_IDS}, each once", "a vocabulary of others"
        )


def _merges(merges, pieces) -> list[str]:
    """Pairs of pieces as `"a b"`, one a line in the file: pieces of bytes have no spaces."""
    found = []
    for merge in merges if isinstance(merges, list) else [None]:
        pair = merge.split(" ") if isinstance(merge, str) else merge
        good = isinstance(pair, list) and len(pair) == 2 and all(isinstance(p, str) for p in pair)
        if not good or not {*pair, "".join(pair)} <= pieces or any(" " in part for part in pair):
            raise _refused("its merges do not join pieces to a piece", f"merge {repr(merge)[:80]}")
        found.append(" ".join(pair))
    return found


def _refused(problem: str, received: str) -> ValueError:
    return ValueError(
        f"This tokenizer.json cannot be used: {problem}. Expected {_KINDS}. "
        f"Received: {received}. {_MEND}"
    )
