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
    def of(cls, model, part: Examples) -> "TextSize":
        """That of the text of all tokens that are scored, ends and padding apart.

        Rows that are padded are texts of their own; others follow on each other.
        """
        special = (getattr(model.tokenizer, name, None) for name in ("end_token_id", "padding_id"))
        special = [each for each in special if each is not None]
        tokens, scored = part.tokens, part.scored
        rows = zip(tokens, scored, strict=True) if part.layout else [(tokens, scored)]
        size = cls(0, 0, 0)
        for row, counted in rows:
            row = row[counted]
            ends = np.flatnonzero(np.isin(row, special))
            for text in np.split(row, ends):  # what follows an end is another text
                size += cls.of_tokens(model, text[~np.isin(text, special)])
        return size

    @classmethod
    def of_tokens(cls, model, tokens) -> "TextSize":
        """That of the text for which a model's tokens (int `[n]`) stand."""
        text = decode_masked(model.tokenizer, tokens)
        return cls(len(text), len(text.encode()), len(text.split()))

    def __add__(self, other):
        return TextSize(*(a + b for a, b in zip(self, other, strict=True)))


def per_text(model, size: TextSize, result: dict) -> dict:
    """What a text costs by its own measures.

    Args:
        model: whose tokenizer it is.
        size: of the text that the tokens stand for.
        result: dict with `bits_per_dim`, `bits_per_dim_error` and `dimensions`.

    Returns:
        dict of `characters`, `bytes` (in UTF-8), `words`, and the bits for one of them; of models
        of characters and bytes for a word alone.
    """
    found = {}
    for name, count in size._asdict().items():
        if count and (name == "words" or unit(model) == "token"):
            found[name] = count
            for figure in ("bits_per_dim", "bits_per_dim_error"):
                key = figure.replace("dim", name.removesuffix("s"))
                found[key] = result[figure] * result["dimensions"] / count
    if "words" in found:
        found["perplexity_per_word"] = perplexity(found["bits_per_word"])
    return found


def perplexity(bits: float) -> float | None:
    """That of so many bits; `None` where it is too large for a number."""
    return 2.0**bits if bits < 1000 else None


def unit(model) -> str:
    """What a dimension is: of text a character, a byte or a token."""
    if model.tokenizer is None:
        return "dimension"
    return getattr(model.tokenizer, "unit", "token")
