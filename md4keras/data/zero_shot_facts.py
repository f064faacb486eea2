"""Facts of a zero-shot measurement: how a set was cut, and what differs from the usual."""

from typing import NamedTuple

from md4keras.data.blocks import Blocks

LENGTH = 1024
"""The usual length of a block."""


class Conventions(NamedTuple):
    """How a zero-shot set is made into rows; the defaults are the field's.

    Attributes:
        ends: bool, whether a block begins and ends with the end-of-text token.
        between: bool, whether the end-of-text token stands between documents.
        keep_last: bool, whether the last short block is kept and padded rather than dropped.
        keep_empty: bool, whether empty documents count (of WikiText, empty lines), so that there
            are two end tokens between their neighbours.
        detokenize: bool, whether the set's own detokeniser cleans its texts; or the name of one of
            `md4keras.data.detokenizers`. A prepared set is as it was prepared.

    Example:

    >>> md4keras.data.Conventions(ends=False)
    Conventions(ends=False, between=True, keep_last=False, keep_empty=True, detokenize=True)
    """

    ends: bool = True
    between: bool = True
    keep_last: bool = False
    keep_empty: bool = True
    detokenize: bool | str = True


class Texts(NamedTuple):
    """What is known of the texts of a split before they are cut.

    Attributes:
        name: str, of the set, or `None` for texts of one's own.
        split: str, its published name, or `None`.
        usual_split: str, the split that the field measures, or `None`.
        document: str, what a document is.
        detokenizer: str, what cleaned them, or `None`.
        usual_detokenizer: str, that of the field, or `None`.
        words: int, between white space, as published; `None` where nobody counted.
        words_detokenized: int, the same of the texts that were tokenised.
        limit: int, if the preparation took so many documents at most, else `None`.
    """

    name: str | None = None
    split: str | None = None
    usual_split: str | None = None
    document: str = "a document"
    detokenizer: str | None = None
    usual_detokenizer: str | None = None
    words: int | None = None
    words_detokenized: int | None = None
    limit: int | None = None


def facts_of(texts: Texts, conventions: Conventions, tokenizer, blocks: Blocks, documents) -> dict:
    """What was measured, in JSON values; the keys are those of `zero_shot`."""
    cut, lengths = blocks.cut(documents), documents.lengths
    return {
        "set": texts.name,
        "split": texts.split,
        "document": texts.document,
        "documents": len(documents),
        "empty_documents": int((lengths == 0).sum()),
        "detokenizer": texts.detokenizer,
        "words": texts.words,
        "words_detokenized": texts.words_detokenized,
        "tokenizer": _name_of(tokenizer),
        "tokens": int(lengths.sum(dtype="int64")),
        "joined_tokens": cut.joined,
        "tokens_per_word": _tokens_per_word(texts.words, blocks, cut),
        "blocks": cut.blocks,
        "block_length": blocks.sequence_length,
        "end_tokens": _ends(blocks),
        "dropped_tokens": cut.dropped,
        "padding": cut.padding,
        "changed": _changed(texts, conventions, tokenizer, blocks, cut),
    }


def _tokens_per_word(words: int | None, blocks: Blocks, cut) -> float | None:
    """Scored positions, the ends of blocks among them, to a published word that was kept."""
    if not words or cut.joined == cut.dropped:
        return None
    scored = cut.blocks * blocks.sequence_length - cut.padding
    return scored / (words * (cut.joined - cut.dropped) / cut.joined)


def describe_zero_shot(facts: dict) -> list[str]:
    """What was measured, and what differs from the usual, in a few lines.

    Args:
        facts: of `zero_shot`.

    Example:

    >>> measured = md4keras.data.zero_shot(
    ...     ["a text", "another text"], md4keras.tokenizers.ByteTokenizer(end_token=True), 8)
    >>> describe_zero_shot(measured.facts)[-1]
    "other than usual: ByteTokenizer (257 ids) rather than GPT-2's tokens; ..."
    """
    name = facts["set"] or "texts of your own"
    split = f", split {facts['split']}" if facts["split"] else ""
    words = f"{facts['words']:,} words, " if facts["words"] is not None else ""
    lines = [
        f"{name}{split}: {facts['documents']:,} documents ({facts['document']} each), {words}"
        f"{facts['tokens']:,} tokens; detokeniser: {facts['detokenizer'] or 'none'}",
        f"{facts['blocks']:,} blocks of {facts['block_length']:,} tokens, end-of-text token "
        f"{facts['end_tokens']}; {facts['dropped_tokens']:,} tokens dropped, "
        f"{facts['padding']:,} positions padded",
    ]
    changed = "; ".join(facts["changed"]) or "nothing"
    return [*lines, f"other than usual: {changed}"]


def _ends(blocks: Blocks) -> str:
    places = ["between documents"] * blocks.between + ["at both ends of a block"] * blocks.ends
    return " and ".join(places) or "nowhere"


def _changed(texts: Texts, conventions: Conventions, tokenizer, blocks: Blocks, cut) -> list[str]:
    """The conventions that differ from the field's, in words."""
    ended = getattr(tokenizer, "end_token_id", None) is not None
    found = {
        f"split {texts.split} rather than {texts.usual_split}": texts.split != texts.usual_split,
        f"the first {texts.limit} documents of its files alone": texts.limit is not None,
        f"{_detokenizer(texts.detokenizer)} rather than {_detokenizer(texts.usual_detokenizer)}": (
            texts.name is not None and texts.detokenizer != texts.usual_detokenizer
        ),
        f"{_name_of(tokenizer)} rather than GPT-2's tokens": not is_gpt2(tokenizer),
        f"blocks of {blocks.sequence_length:,} tokens rather than {LENGTH:,}": (
            blocks.sequence_length != LENGTH
        ),
        "no end-of-text token, as the tokenizer has none": not ended,
        "no end-of-text token between documents": ended and not conventions.between,
        "blocks that do not begin and end with the end-of-text token": (
            ended and not conventions.ends
        ),
        "empty documents left out": not conventions.keep_empty,
        f"the set is shorter than a block: its only block has {cut.padding:,} positions of padding "
        "and is not dropped": cut.padding and cut.blocks == 1,
        f"the last short block kept, with {cut.padding:,} positions of padding, rather than "
        "dropped": cut.padding and cut.blocks > 1,
    }
    return [words for words, is_so in found.items() if is_so]


def _detokenizer(name: str | None) -> str:
    return "no detokeniser" if name is None else f"the detokeniser of {name}"


def _name_of(tokenizer) -> str:
    name = "GPT-2's tokens" if is_gpt2(tokenizer) else type(tokenizer).__name__
    return f"{name} ({tokenizer.vocabulary_size:,} ids)"


def is_gpt2(tokenizer) -> bool:
    """Whether a tokenizer is GPT-2's, as three of its ids tell; it may have spare tokens, too."""
    if getattr(tokenizer, "end_token_id", None) != 50256 or not hasattr(tokenizer, "bytes_of"):
        return False
    return (tokenizer.bytes_of(15496), tokenizer.bytes_of(995)) == (b"Hello", b" world")
