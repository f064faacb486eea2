"""Zero-shot sets as rows: what a model that was trained on other texts is measured on."""

import functools
import os
from pathlib import Path

import numpy as np

from md4keras import tokenizers
from md4keras.checks import check_list, check_name
from md4keras.data import detokenizers
from md4keras.data.blocks import Blocks
from md4keras.data.folders import printable
from md4keras.data.preparation.hub import files_in_copy
from md4keras.data.preparation.known import KNOWN, Corpus
from md4keras.data.preparation.texts import read_texts
from md4keras.data.prepared_folder import Prepared, prepared
from md4keras.data.rows import InMemory, NotEmpty
from md4keras.data.zero_shot_facts import LENGTH, Conventions, Texts, describe_zero_shot, facts_of

ZERO_SHOT_SETS = tuple(
    name for name, known in KNOWN.items() if isinstance(known, Corpus) and known.zero_shot
)
"""The names of the sets whose conventions are known."""

_AT_ONCE = 1024  # rows that are gathered together


class ZeroShot:
    """A zero-shot set in rows, as `zero_shot` makes it.

    Attributes:
        rows: the `Blocks`.
        documents: what they are cut from, as `Rows.batches` takes it.
        facts: dictionary, see `zero_shot`.

    Example:

    >>> measured = md4keras.data.zero_shot(
    ...     ["a text", "another text"], md4keras.tokenizers.ByteTokenizer(end_token=True), 8)
    >>> measured.tokens.shape, bool(measured.padding_mask.all())
    ((3, 8), True)
    """

    def __init__(self, rows: Blocks, documents, facts: dict):
        self.rows, self.documents, self.facts = rows, documents, facts

    def __len__(self):
        return self.facts["blocks"]

    @functools.cached_property
    def tokens(self) -> np.ndarray:
        """All rows, int32 `[rows, length]`."""
        return np.concatenate([batch["tokens"] for batch in self.batches(_AT_ONCE)])

    @functools.cached_property
    def padding_mask(self) -> np.ndarray:
        """`False` at padding, bool `[rows, length]`."""
        mask = np.ones((len(self), self.rows.sequence_length), bool)
        if padding := self.facts["padding"]:
            mask[-1, -padding:] = False
        return mask

    def batches(self, batch_size: int, training: bool = False, seed: int = 0, start_batch: int = 0):
        """Batches of the rows, read as they are asked for; see `Blocks.batches`."""
        return self.rows.batches(self.documents, batch_size, training, seed, start_batch)

    def describe(self) -> list[str]:
        """What it is, and what differs from the usual, in a few lines."""
        return describe_zero_shot(self.facts)


def zero_shot(
    source,
    tokenizer=None,
    length: int = LENGTH,
    split: str = "validation",
    conventions: Conventions | None = None,
    copy: str | os.PathLike | None = None,
    vocabulary_size: int | None = None,
) -> ZeroShot:
    r"""Texts in the rows in which the field measures models on them.

    Texts are detokenised, tokenised (by GPT-2's word pieces, a document at a time) and joined with
    the end-of-text token between documents. That is cut into blocks of 1,024 tokens, of which the
    first and the last are the end-of-text token, too. The last short block is dropped, but a set
    that is shorter than a block is padded. What is done otherwise is told in `facts["changed"]`.

    MDLM's code groups 1,000 documents at a time and drops a short block of each group. Nothing is
    dropped here but at the end of the set, so that there are a few more blocks.

    Args:
        source: a prepared data set or the path of its folder, made with documents; or a list of
            strings, one a document; or one of `ZERO_SHOT_SETS`, with `copy`.
        tokenizer: for texts; with a prepared set it is compared with that of the set.
        length: int, tokens in a block.
        split: str, of the set: `"validation"` is what the field measures (of some its test split).
        conventions: a `Conventions`; the field's by default.
        copy: path, a copy of the published files of the set, as `md4keras data prepare` takes it.
        vocabulary_size: int, the model's, with which the tokenizer is compared.

    Returns:
        A `ZeroShot`: its `tokens`, `padding_mask`, `batches`, and `facts`, a dictionary of
        `"set"`, `"split"` (its published name), `"document"` (what one is), `"documents"`,
        `"empty_documents"`, `"detokenizer"`, `"words"` (between white space, as published),
        `"words_detokenized"`, `"tokenizer"`, `"tokens"` (of the documents), `"joined_tokens"`
        (with the end tokens between them), `"tokens_per_word"` (scored positions, the ends of
        blocks among them, a published word that was kept: `exp(nats_per_token *
        tokens_per_word)` is the perplexity per word), `"blocks"`,
        `"block_length"`, `"end_tokens"` (where they are), `"dropped_tokens"`, `"padding"`
        (positions) and `"changed"` (a list of what differs from the field's way, in words).

    Raises:
        ValueError: for what are no texts, a set that is empty or not there, or a tokenizer that is
            not the model's or not that of the prepared set.

    Example:

    >>> tokenizer = md4keras.tokenizers.ByteTokenizer(end_token=True)
    >>> rows = zero_shot(["ab", "c"], tokenizer, length=5)
    >>> rows.tokens
    array([[256,  97,  98, 256, 256]], dtype=int32)
    >>> rows.facts["dropped_tokens"], rows.facts["changed"][1]
    (1, 'blocks of 5 tokens rather than 1,024')

    Reference: Radford et al. 2019; Lou et al. 2024, https://arxiv.org/abs/2310.16834; Sahoo et al.
    2024, https://arxiv.org/abs/2406.07524
    """
    conventions = Conventions() if conventions is None else conventions
    if not isinstance(conventions, Conventions):
        raise ValueError(
            "`conventions` cannot be used. Expected a `md4keras.data.Conventions`. Received: "
            f"conventions={conventions!r:.60}. Write Conventions(ends=False), for instance."
        )
    if isinstance(source, (str, os.PathLike)) and os.fspath(source) not in ZERO_SHOT_SETS:
        source = prepared(source)
    if isinstance(source, Prepared):
        documents, texts = _of_prepared(source, tokenizer, split, conventions)
        tokenizer = tokenizer or source.tokenizer
    else:
        found = None if isinstance(source, str) else _own_texts(source)
        tokenizer = _needed(tokenizer)
        if found is None:
            found, texts = _of_copy(source, copy, split, conventions)
        else:
            texts = _own(conventions)
        documents, texts = _encoded(found, texts, tokenizer)
    _check_vocabulary(tokenizer, vocabulary_size)
    if not conventions.keep_empty:
        documents = NotEmpty.of(documents)
    end, padding = (getattr(tokenizer, name, None) for name in ("end_token_id", "padding_id"))
    blocks = Blocks(
        length, end, padding or 0, conventions.ends, conventions.keep_last, conventions.between
    )
    return ZeroShot(blocks, documents, facts_of(texts, conventions, tokenizer, blocks, documents))


def is_zero_shot(made: Prepared) -> bool:
    """Whether a prepared data set is a zero-shot set whose documents can be cut into blocks."""
    return made.kind == "documents" and bool(made.index.get("zero_shot"))


def _own_texts(source) -> list[str]:
    mend = "Give documents as strings, or the folder of a prepared set."
    found = check_list("source", source, 0, mend)
    wrong = [text for text in found if not isinstance(text, str)]
    if wrong:
        raise ValueError(
            "`source` cannot be used: not all documents are strings. Expected a list of strings. "
            f"Received: {wrong[0]!r:.60} among {len(found)}. {mend}"
        )
    return found


def _own(conventions: Conventions) -> Texts:
    asked = conventions.detokenize
    return Texts(detokenizer=asked if isinstance(asked, str) else None)


def _of_known(name: str, split: str) -> Texts:
    """What is known of a set before its texts are read."""
    known = KNOWN.get(name)
    if not isinstance(known, Corpus) or not known.zero_shot:
        return Texts(name, split, split)
    document, usual = known.zero_shot
    published = {"training": "train", "validation": usual}.get(split, split)
    own = known.detokenizer
    return Texts(name, published, usual, document, own, own)


def _of_copy(name: str, copy, split: str, conventions: Conventions) -> tuple[list[str], Texts]:
    """The published texts of a split, read from a copy."""
    known, texts = KNOWN[name], _of_known(name, split)
    if not isinstance(copy, (str, os.PathLike)):
        raise ValueError(
            f"The texts of {name} are not here. Expected a folder. Received: copy={copy!r}. "
            f"Prepare the set and name its folder in place of {name!r}: md4keras data prepare "
            f"{name} --out FOLDER. Or name a copy of its published files: copy=FOLDER."
        )
    check_name("split", split, known.files)
    if conventions.detokenize is not True:
        texts = texts._replace(detokenizer=conventions.detokenize or None)
    copy = Path(copy).expanduser().absolute()
    places = files_in_copy(copy, known.patterns(split), "copy=FOLDER")
    paths = [Path(place.path) for place in places]
    return [text for path in paths for _, text in read_texts(path, known.field, True)], texts


def _encoded(found: list, texts: Texts, tokenizer) -> tuple[InMemory, Texts]:
    detokenize = detokenizers.get(texts.detokenizer)
    clean = [detokenize(text) for text in found]
    texts = texts._replace(words=_num_words(found), words_detokenized=_num_words(clean))
    return InMemory(tokenizers.encode_batch(tokenizer, clean), keep_empty=True), texts


def _num_words(texts: list[str]) -> int:
    return sum(len(text.split()) for text in texts)


def _of_prepared(made: Prepared, tokenizer, split: str, conventions: Conventions):
    """The records of a split of a prepared set, and what is known of them."""
    name, settings, folder = made.index["name"], made.index["settings"], printable(made.folder)
    if made.kind != "documents":
        raise ValueError(
            "The data are cut already, so that no blocks can be made of them. Expected documents. "
            f"Received: {folder!r} of {made.kind}. Prepare them anew, elsewhere: md4keras data "
            f"prepare {name} --rows documents --out FOLDER."
        )
    if tokenizer is not None and not tokenizers.differ_in_spare(tokenizer, made.tokenizer):
        raise ValueError(
            "The tokenizer is not that of the prepared set. Expected "
            f"{_described(made.tokenizer)}. Received: tokenizer={_described(tokenizer)}, "
            f"{folder!r}. Prepare the set with the model's tokenizer, elsewhere: md4keras data "
            f"prepare {name} --tokenizer MODEL --out FOLDER."
        )
    there, asked = settings.get("detokenizer"), conventions.detokenize
    if asked is not True and (asked or None) != there:
        raise ValueError(
            "The prepared set was detokenised otherwise. Expected detokenize=True, which takes it "
            f"as it is. Received: detokenize={asked!r}, {folder!r} with {there or 'none'}. Prepare "
            f"it anew, elsewhere: md4keras data prepare {name} --detokenizer {asked or 'none'} "
            "--out FOLDER."
        )
    documents = made.splits[check_name("split", split, made.splits)]
    counted = made.index.get("texts", {}).get(split, {})
    texts = _of_known(name, split)._replace(
        detokenizer=there,
        words=counted.get("words"),
        words_detokenized=counted.get("words_detokenized"),
        limit=settings.get("limit"),
    )
    return documents, texts


def _needed(tokenizer):
    if tokenizer is None:
        raise ValueError(
            "Texts need a tokenizer. Expected the model's. Received: tokenizer=None. Pass "
            "model.tokenizer, or tokenizers.named('gpt2_base_en')."
        )
    return tokenizers.get(tokenizer)


def _check_vocabulary(tokenizer, vocabulary_size: int | None) -> None:
    if vocabulary_size is not None and tokenizer.vocabulary_size != vocabulary_size:
        raise ValueError(
            "The tokenizer does not match the model's vocabulary. Expected one of "
            f"{vocabulary_size:,} ids. Received: {_described(tokenizer)}. Take the tokenizer that "
            "the model was trained with: model.tokenizer."
        )


def _described(tokenizer) -> str:
    return f"a {type(tokenizer).__name__} of {tokenizer.vocabulary_size:,} ids"
