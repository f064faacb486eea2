"""Settings of a preparation, and what is usual for each data set."""

import os
from pathlib import Path
from typing import Any, NamedTuple

from md4keras.checks import Interval, check_name, check_number, check_whole
from md4keras.data import detokenizers
from md4keras.data.folders import printable
from md4keras.data.preparation.known import KNOWN, Corpus, Images

NAMES = ("text8", *KNOWN)
ROWS = ("joined", "documents")
NO_DETOKENIZER = "none"  # `None` is for what is usual


class Settings(NamedTuple):
    """How a data set is prepared; `None` for what is usual for it.

    Attributes:
        tokenizer: a tokenizer, or `"bytes"`, `"text8"`, or what `md4keras.tokenizers.load` takes;
            by default bytes for one's own text and GPT-2's word pieces for what is published. The
            first two have a token for the end of a text.
        rows: `"joined"` (cut into rows of `sequence_length` now) or `"documents"` (which are made
            into rows when they are read; usual for one's own text).
        sequence_length: int, tokens of joined rows; 1024 by default.
        validation: float in `[0, 1)`, the part of the documents (or joined rows) that is held out;
            a tenth by default of one's own text.
        field: str, the column or entry with the text; by default that of a known data set.
        limit: int, documents or images of each split at most, spread over the files.
        skip_bad: bool, whether files of one's own that cannot be used are left out.
        detokenizer: str, of `md4keras.data.detokenizers`, what cleans a text before it is
            tokenised, or `"none"`; by default that of a known data set.
        splits: strings, those of a published data set's splits that are prepared, such as
            `("validation",)` for what is measured alone; by default all.

    Example:

    >>> settings = md4keras.data.preparation.Settings(tokenizer="bytes", sequence_length=256)
    >>> settings.sequence_length
    256
    """

    tokenizer: Any = None
    rows: str | None = None
    sequence_length: int | None = None
    validation: float | None = None
    field: str = "text"
    limit: int | None = None
    skip_bad: bool = False
    detokenizer: str | None = None
    splits: tuple[str, ...] | None = None


def checked(name, settings: Settings, source) -> Settings:
    """The settings with what is usual for this data set.

    Args:
        name, settings, source: as of `prepare`.

    Raises:
        ValueError: for an unknown data set, and settings that make no sense or have no effect.
    """
    name = os.fspath(name)
    known = KNOWN.get(name)
    if known is None and not Path(name).expanduser().exists():
        raise ValueError(
            "Unknown data set. Expected one of " + ", ".join(NAMES) + ", or the path of documents. "
            f"Received: {printable(name)!r}. Check the spelling."
        )
    if known is None and source is not None:
        raise ValueError(
            "`source` is a copy of what would be fetched. Expected none for documents of your own. "
            f"Received: source={printable(source)!r}. Leave it out."
        )
    if isinstance(known, Images):
        _check_unset(settings, f"{name} holds images", set(Settings._fields) - {"limit"})
    elif known is not None:
        fixed = {"skip_bad", "validation"} if known.splits_itself else {"skip_bad", "splits"}
        _check_unset(settings, f"{name} is as it was published", fixed)
    else:
        _check_unset(settings, "documents of your own have no published splits", {"splits"})
    usual = {"tokenizer": "bytes", "rows": "documents", "sequence_length": 1024, "validation": 0.1}
    if isinstance(known, Corpus):
        usual = {key: getattr(known, key) for key in (*usual, "detokenizer")}
        if settings.field == Settings().field:
            settings = settings._replace(field=known.field)
    settings = settings._replace(
        **{key: value for key, value in usual.items() if getattr(settings, key) is None}
    )
    check_name("rows", settings.rows, ROWS)
    check_whole("sequence_length", settings.sequence_length)
    part = Interval(0, 1, with_high=False)
    check_number("validation", settings.validation, part, "Use 0.1 for a tenth.")
    if settings.limit is not None:
        check_whole("limit", settings.limit)
    if settings.splits is not None:
        for split in settings.splits:
            check_name("splits", split, known.files, "Leave it out for all of them.")
        settings = settings._replace(splits=[s for s in known.files if s in settings.splits])
    if settings.detokenizer == NO_DETOKENIZER:
        settings = settings._replace(detokenizer=None)
    detokenizers.get(settings.detokenizer)
    return settings


def _check_unset(settings: Settings, why: str, names: set) -> None:
    """Refuses settings that would have no effect."""
    asked, usual = settings._asdict(), Settings()._asdict()
    mine = {key: asked[key] for key in sorted(names) if asked[key] != usual[key]}
    if mine:
        raise ValueError(
            f"{why}, so some settings have no effect. Expected none of them. Received: {mine}. "
            "Leave them out."
        )
