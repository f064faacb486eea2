"""The length of the text for which tokens stand, and what it costs by its own measures."""

from typing import NamedTuple

import numpy as np

from md4keras.cli.examples import Examples
from md4keras.tokenizers import decode_masked


class TextSize(NamedTuple):
    """How long a text is: its characters, its bytes in UTF-8, its words between white space."""

    characters: int
    bytes: int
    words: int

    @classmethod
    def of_tokens(cls, model, tokens) -> "TextSize":
        """That of the text for which a model's tokens (int `[n]`) stand."""
        text = decode_masked(model.tokenizer, tokens)
        return cls(len(text), len(text.encode()), len(text.split()))


def of_rows(model, part: Examples) -> np.ndarray:
    """The `TextSize` of each row's scored tokens, ends and padding apart: float64 `[n, 3]`.

    Rows that are padded are texts of their own; others follow on each other, and share a word (or
    a character of several tokens) that is cut between them.
    """
    special = (getattr(model.tokenizer, name, None) for name in ("end_token_id", "padding_id"))
    special = [each for each in special if each is not None]

    def size_of(tokens):
        ends = np.flatnonzero(np.isin(tokens, special))
        texts = np.split(tokens, ends)  # what follows an end is another text
        sizes = [TextSize.of_tokens(model, text[~np.isin(text, special)]) for text in texts]
        return np.sum(sizes, axis=0, dtype="float64")

    scored = part.scored
    rows = [size_of(tokens[counted]) for tokens, counted in zip(part.tokens, scored, strict=True)]
    sizes = np.stack(rows)
    if part.layout:
        return sizes
    whole = size_of(part.tokens[scored])
    return sizes * (whole / np.maximum(sizes.sum(axis=0), 1.0))


def measures(model) -> tuple[str, ...]:
    """The measures of a text that say more of a model than its own dimension does."""
    return TextSize._fields if unit(model) == "token" else ("words",)


def per_text(model, size: TextSize, result: dict) -> dict:
    """What a single text costs by its own measures.

    Args:
        model: whose tokenizer it is.
        size: of the text that the tokens stand for.
        result: dict with `bits_per_dim`, `bits_per_dim_error` and `dimensions`.

    Returns:
        dict of `characters`, `bytes` (in UTF-8), `words`, and the bits for one of them; of models
        of characters and bytes for a word alone.
    """
    found = {}
    for name in measures(model):
        count = getattr(size, name)
        if count:
            found[name] = count
            for figure in ("bits_per_dim", "bits_per_dim_error"):
                key = figure.replace("dim", name.removesuffix("s"))
                found[key] = result[figure] * result["dimensions"] / count
    return found


def unit(model) -> str:
    """What a dimension is: of text a character, a byte or a token."""
    if model.tokenizer is None:
        return "dimension"
    return getattr(model.tokenizer, "unit", "token")
