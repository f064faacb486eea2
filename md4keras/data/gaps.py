"""Text with gaps, as a person types it, to the tokens and the mask that `infill` takes."""

import re
from collections.abc import Iterable

import numpy as np

MOST_TOKENS = 1_000_000  # of a text without a `max_length`
_MOST_DIGITS = 9

# Possessive, so that no text, however odd, makes the search slow.
_NAMED_GAP = r"\[\s*+mask\s*+(?:(?::\s*+)?+([0-9]++)\s*+)?\]"
_WORD = re.compile(r"\S+")


def parse_gaps(text: str, tokenizer, max_length: int | None = None):
    """Turns a text with gaps into tokens and a mask.

    A gap is a run of underscores, one token each, or `[mask]` (one token), or `[mask 12]` or
    `[mask:12]` (twelve), in upper or lower case and with spaces inside the brackets. Where the
    tokenizer can encode an underscore itself (`ByteTokenizer`, or an alphabet that has it), only
    runs of three or more are gaps, so that `snake_case` and `__name__` stay what they are.
    `[mask]` is a gap with every tokenizer.

    Args:
        text: What was typed. All but the gaps is encoded by `tokenizer`.
        tokenizer: A `CharacterTokenizer` or `ByteTokenizer`.
        max_length: The most tokens that the text may have, gaps included; `None` for 1,000,000.

    Returns:
        `tokens`, int32 `[length]`, with `tokenizer.mask_token` in the gaps, and `mask`, bool
        `[length]`, `True` there.

    Raises:
        ValueError: `text` is no string, is empty, has no gap or a character outside the
            vocabulary, or is too long; or a gap's number of tokens is no good.

    Example:

    >>> from md4keras.data import CharacterTokenizer
    >>> tokens, mask = parse_gaps("a __[mask 2] sat", CharacterTokenizer())
    >>> CharacterTokenizer().decode(tokens), int(mask.sum())
    ('a ____ sat', 4)
    """
    _check_string(text)
    _check_max_length(max_length)
    pattern, least = _gap_pattern(tokenizer)
    gaps = list(pattern.finditer(text))
    if not gaps:
        raise ValueError(
            f"The text has nothing to fill: expected a gap, which is a run of {least} or more "
            f"underscores, [mask], or [mask 12]. Received: text={_shortened(text)!r}. "
            "Type ____ where something is to be written."
        )
    counts = [_count(gap) for gap in gaps]
    # Any character, repeated, stands for a gap: an error then tells the place in the whole text.
    stand_in = tokenizer.decode([0])
    tokenizer.encode(pattern.sub(lambda gap: stand_in * len(gap[0]), text))
    kept = [tokenizer.encode(piece) for piece in _outside(text, gaps)]
    _check_length(sum(counts) + sum(map(len, kept)), max_length)
    return _join(kept, counts, tokenizer.mask_token)


def fit_to_alphabet(text: str, tokenizer, keep_gaps: bool = True) -> str:
    """Replaces the characters that a tokenizer lacks by what was most likely meant.

    Such a character becomes lower-case if the alphabet has that; otherwise a space if the alphabet
    has one; otherwise it is dropped.

    Args:
        text: What was typed, with or without gaps.
        tokenizer: A `CharacterTokenizer`; a `ByteTokenizer` lacks nothing.
        keep_gaps: Whether gaps (see `parse_gaps`) stay as they are; otherwise underscores and
            brackets are characters like any other.

    Returns:
        The text, which outside its gaps holds nothing that the tokenizer lacks.

    Raises:
        ValueError: `text` is no string.

    Example:

    >>> from md4keras.data import CharacterTokenizer
    >>> fit_to_alphabet("The CAT, ____.", CharacterTokenizer())
    'the cat  ____ '
    """
    meant = str.maketrans(replacements(text, tokenizer, keep_gaps))
    gaps = _gaps(text, tokenizer, keep_gaps)
    pieces = [piece.translate(meant) for piece in _outside(text, gaps)]
    shown = [*(gap[0] for gap in gaps), ""]
    return "".join(piece + gap for piece, gap in zip(pieces, shown, strict=True))


def replacements(text: str, tokenizer, keep_gaps: bool = True) -> dict[str, str]:
    """What `fit_to_alphabet` replaces: each character that the tokenizer lacks, and by what.

    Args:
        text, tokenizer, keep_gaps: As in `fit_to_alphabet`.

    Returns:
        A dictionary in the order of the text; a character that is dropped has the value `""`.

    Raises:
        ValueError: `text` is no string.

    Example:

    >>> from md4keras.data import CharacterTokenizer
    >>> replacements("The CAT, ____.", CharacterTokenizer())
    {'T': 't', 'C': 'c', 'A': 'a', ',': ' ', '.': ' '}
    """
    _check_string(text, allow_empty=True)
    alphabet = getattr(tokenizer, "alphabet", None)
    if alphabet is None:
        return {}
    substitute = " " if " " in alphabet else ""
    kept = "".join(_outside(text, _gaps(text, tokenizer, keep_gaps)))
    return {
        character: "".join(c for c in character.lower() if c in alphabet) or substitute
        for character in dict.fromkeys(kept)
        if character not in alphabet
    }


def cut(tokens, mask, tokenizer, max_length: int):
    """Keeps the beginning of a text that is too long for a model.

    Args:
        tokens: int `[length]`, and
        mask: bool `[length]`: what `parse_gaps` and `mask_words` return.
        tokenizer: The `CharacterTokenizer` or `ByteTokenizer` they come from.
        max_length: The most tokens to keep. Up to three fewer are kept where a character of
            several bytes would be cut in two.

    Returns:
        `tokens` and `mask`, cut, and the number of characters (gaps included) that were left out.

    Example:

    >>> from md4keras.data import CharacterTokenizer
    >>> tokens, mask = parse_gaps("a ____ sat", CharacterTokenizer())
    >>> tokens, mask, left_out = cut(tokens, mask, CharacterTokenizer(), max_length=8)
    >>> CharacterTokenizer().decode(tokens), left_out
    ('a ____ s', 2)
    """
    _check_max_length(max_length)
    whole, end = tokenizer.decode(tokens), min(max_length, len(tokens))
    # Only between two characters do both sides decode to what they were together.
    while tokenizer.decode(tokens[:end]) + tokenizer.decode(tokens[end:]) != whole:
        end -= 1
    return tokens[:end], mask[:end], len(tokenizer.decode(tokens[end:]))


def mask_words(text: str, words: Iterable[int], tokenizer):
    """Masks whole words of a text.

    A word is a run without white space; word `i` is `text.split()[i]`. Underscores and brackets
    are ordinary characters here.

    Args:
        text: A complete text.
        words: The numbers of the words to mask, from 0, in any order.
        tokenizer: A `CharacterTokenizer` or `ByteTokenizer`.

    Returns:
        `tokens`, int32 `[length]`, with `tokenizer.mask_token` in the words, and `mask`, bool
        `[length]`, `True` there. (With bytes, a word has as many tokens as bytes.)

    Raises:
        ValueError: `text` is no string, is empty or has a character outside the vocabulary; or
            `words` is empty or names a word that is not there.

    Example:

    >>> from md4keras.data import CharacterTokenizer
    >>> tokens, mask = mask_words("a cat sat", [1], CharacterTokenizer())
    >>> CharacterTokenizer().decode(tokens)
    'a ___ sat'
    """
    _check_string(text)
    tokenizer.encode(text)  # an unknown character is told with its place in the whole text
    found = list(_WORD.finditer(text))
    chosen = [found[number] for number in _check_words(words, len(found))]
    counts = [len(tokenizer.encode(word[0])) for word in chosen]
    kept = [tokenizer.encode(piece) for piece in _outside(text, chosen)]
    return _join(kept, counts, tokenizer.mask_token)


def fewest_underscores(tokenizer) -> int:
    """How many underscores in a row are a gap: 3 where the tokenizer can encode one, else 1."""
    try:
        tokenizer.encode("_")
        return 3
    except ValueError:
        return 1


def _gap_pattern(tokenizer):
    """What a gap looks like, and the fewest underscores that make one."""
    least = fewest_underscores(tokenizer)
    return re.compile(rf"_{{{least},}}|{_NAMED_GAP}", re.IGNORECASE), least


def _gaps(text, tokenizer, keep_gaps):
    return list(_gap_pattern(tokenizer)[0].finditer(text)) if keep_gaps else []


def _count(gap: re.Match) -> int:
    """How many tokens a gap asks for."""
    if gap[0].startswith("_"):
        return len(gap[0])
    digits = "1" if gap[1] is None else gap[1].lstrip("0")
    if not 1 <= len(digits) <= _MOST_DIGITS:
        raise ValueError(
            f"A gap of this many tokens cannot be filled: expected 1 to {MOST_TOKENS}. "
            f"Received: {_shortened(gap[0])!r}. Write [mask 12] for twelve tokens."
        )
    return int(digits)


def _outside(text, matches):
    """The pieces of a text before, between and after the matches: one more than these."""
    starts = [0, *(match.end() for match in matches)]
    ends = [*(match.start() for match in matches), len(text)]
    return [text[start:end] for start, end in zip(starts, ends, strict=True)]


def _join(kept, counts, mask_token):
    """Pieces of tokens, with gaps of so many masks between them."""
    lengths = [
        n for piece, count in zip(kept, [*counts, 0], strict=True) for n in (len(piece), count)
    ]
    mask = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)  # [length]
    tokens = np.full(mask.shape, mask_token, "int32")
    tokens[~mask] = np.concatenate(kept)
    return tokens, mask


def _check_string(text, allow_empty=False):
    if not isinstance(text, str) or not (text or allow_empty):
        raise ValueError(
            f"There is no text: expected a string{'' if allow_empty else ' that is not empty'}. "
            f"Received: text={text!r}. Type some words, and ____ where some are missing."
        )


def _check_max_length(max_length):
    integer = isinstance(max_length, int | np.integer) and not isinstance(max_length, bool)
    if max_length is not None and (not integer or max_length < 1):
        raise ValueError(
            "`max_length` must be a positive integer or None. "
            f"Received: max_length={max_length!r}. Give the length that the model was trained at."
        )


def _check_length(length, max_length):
    most = MOST_TOKENS if max_length is None else max_length
    if length > most:
        raise ValueError(
            f"The text is {length} tokens long, {length - most} too many: expected at most {most}, "
            f"gaps included. Received: length={length}, max_length={max_length}. "
            "Shorten the text or its gaps."
        )


def _check_words(words, count):
    """The numbers of the words, each once, rising."""
    numbers = list(words) if isinstance(words, Iterable) else [words]
    integers = all(isinstance(n, int | np.integer) and not isinstance(n, bool) for n in numbers)
    if not isinstance(words, Iterable) or not numbers or not integers:
        raise ValueError(
            "`words` names no words: expected one or more integers. "
            f"Received: words={_shortened(repr(words))}. Count the words from 0."
        )
    if min(numbers) < 0 or max(numbers) >= count:
        raise ValueError(
            f"`words` names a word that is not there: the text has {count} words, expected numbers "
            f"of at least 0 and below that. Received: words from {min(numbers)} to {max(numbers)}. "
            "Count the words from 0."
        )
    return sorted(set(numbers))


def _shortened(text):
    return text if len(text) <= 60 else f"{text[:57]}..."
