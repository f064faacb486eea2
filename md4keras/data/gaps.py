"""Text with gaps, as a person types it, to the tokens and the mask that `infill` takes.

With any tokenizer: its `encode`, `decode` and `vocabulary_size` are all that is asked.
"""

import re
from collections.abc import Iterable

import numpy as np

from md4keras.checks import check_whole, is_whole
from md4keras.tokenizers import decode_masked

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
        text: str, what was typed. All but the gaps is encoded by the tokenizer.
        tokenizer: any tokenizer.
        max_length: int, the most tokens that the text may have, gaps included; `None` for
            1,000,000.

    Returns:
        `tokens`, int32 `[length]`, with the mask (`vocabulary_size`) in the gaps, and `mask`, bool
        `[length]`, `True` there.

    Raises:
        ValueError: if `text` is no string, is empty, has no gap or a character outside the
            vocabulary, or is too long; or if a gap's number of tokens is no good.

    Example:

    >>> from md4keras.tokenizers import CharacterTokenizer
    >>> tokens, mask = parse_gaps("a __[mask 2] sat", CharacterTokenizer())
    >>> CharacterTokenizer().decode(tokens), int(mask.sum())
    ('a ____ sat', 4)
    """
    _check_string(text)
    most = MOST_TOKENS if max_length is None else max_length
    check_whole("max_length", most, mend="Give the length that the model was trained at.")
    pattern, least = _gap_pattern(tokenizer)
    gaps = list(pattern.finditer(text))
    if not gaps:
        raise ValueError(
            f"The text has nothing to fill. Expected a gap, which is a run of {least} or more "
            f"underscores, [mask], or [mask 12]. Received: text={_shortened(text)!r}. "
            "Type ____ where something is to be written."
        )
    counts = [_count(gap) for gap in gaps]
    # Any character, repeated, stands for a gap: an error then tells the place in the whole text.
    stand_in = tokenizer.decode(np.zeros(1, "int32"))
    tokenizer.encode(pattern.sub(lambda gap: stand_in * len(gap[0]), text))
    kept = _encoded(_outside(text, gaps), tokenizer)
    length = sum(counts) + sum(map(len, kept))
    if length > most:
        raise ValueError(
            f"The text is {length} tokens long, {length - most} too many. Expected at most {most}, "
            f"gaps included. Received: length={length}, max_length={max_length}. "
            "Shorten the text or its gaps."
        )
    return _join(kept, counts, tokenizer.vocabulary_size)


def fit_to_alphabet(text: str, tokenizer, keep_gaps: bool = True) -> str:
    """Replaces the characters that a tokenizer cannot encode by what was most likely meant.

    Such a character becomes lower-case if that can be encoded; otherwise a space if that can;
    otherwise it is dropped.

    Args:
        text: str, what was typed, with or without gaps.
        tokenizer: any tokenizer; a `ByteTokenizer` lacks nothing.
        keep_gaps: bool, whether gaps (see `parse_gaps`) stay as they are; otherwise underscores
            and brackets are characters like any other.

    Returns:
        The text, which outside its gaps holds nothing that the tokenizer lacks.

    Raises:
        ValueError: if `text` is no string.

    Example:

    >>> from md4keras.tokenizers import CharacterTokenizer
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
        text, tokenizer, keep_gaps: as in `fit_to_alphabet`.

    Returns:
        A dictionary in the order of the text; a character that is dropped has the value `""`.

    Raises:
        ValueError: if `text` is no string.
    """
    _check_string(text, allow_empty=True)

    def known(characters):
        return "".join(c for c in characters if _can_encode(tokenizer, c))

    kept = "".join(_outside(text, _gaps(text, tokenizer, keep_gaps)))
    return {
        character: known(character.lower()) or known(" ")
        for character in dict.fromkeys(kept)
        if not known(character)
    }


def cut(tokens, mask, tokenizer, max_length: int):
    """Keeps the beginning of a text that is too long for a model.

    Args:
        tokens: ints `[length]`, and
        mask: bool `[length]`: what `parse_gaps` and `mask_words` return.
        tokenizer: the tokenizer that they come from.
        max_length: int, the most tokens to keep. Up to three fewer are kept where a character of
            several bytes would be cut in two.

    Returns:
        `tokens` and `mask`, cut, and the number of characters (gaps included) that were left out.

    Example:

    >>> from md4keras.tokenizers import CharacterTokenizer
    >>> tokens, mask = parse_gaps("a ____ sat", CharacterTokenizer())
    >>> tokens, mask, left_out = cut(tokens, mask, CharacterTokenizer(), max_length=8)
    >>> CharacterTokenizer().decode(tokens), left_out
    ('a ____ s', 2)
    """
    check_whole("max_length", max_length, mend="Give the length that the model was trained at.")
    most = min(max_length, len(tokens))
    whole = decode_masked(tokenizer, tokens)

    def sides(end):
        return [decode_masked(tokenizer, part) for part in (tokens[:end], tokens[end:])]

    # Only between two characters do both sides decode to what they were together.
    between = (end for end in range(most, max(most - 4, 0), -1) if "".join(sides(end)) == whole)
    end = next(between, most)
    return tokens[:end], mask[:end], len(sides(end)[1])


def mask_words(text: str, words: Iterable[int], tokenizer):
    """Masks whole words of a text.

    A word is a run without white space; word `i` is `text.split()[i]`. Underscores and brackets
    are ordinary characters here.

    Args:
        text: str, complete.
        words: ints, the numbers of the words to mask, from 0, in any order.
        tokenizer: any tokenizer.

    Returns:
        `tokens`, int32 `[length]`, with the mask in the words, and `mask`, bool `[length]`, `True`
        there. (With bytes, a word has as many tokens as bytes.)

    Raises:
        ValueError: if `text` is no string, is empty or has a character outside the vocabulary; or
            if `words` is empty or names a word that is not there.

    Example:

    >>> from md4keras.tokenizers import CharacterTokenizer
    >>> tokens, mask = mask_words("a cat sat", [1], CharacterTokenizer())
    >>> CharacterTokenizer().decode(tokens)
    'a ___ sat'
    """
    _check_string(text)
    tokenizer.encode(text)  # an unknown character is told with its place in the whole text
    found = list(_WORD.finditer(text))
    chosen = [found[number] for number in _check_words(words, len(found))]
    counts = [len(tokenizer.encode(word[0])) for word in chosen]
    return _join(_encoded(_outside(text, chosen), tokenizer), counts, tokenizer.vocabulary_size)


def fewest_underscores(tokenizer) -> int:
    """How many underscores in a row are a gap: 3 where the tokenizer can encode one, else 1."""
    return 3 if _can_encode(tokenizer, "_") else 1


def _can_encode(tokenizer, text) -> bool:
    try:
        tokenizer.encode(text)
        return True
    except (LookupError, ValueError):
        return False


def _encoded(pieces, tokenizer):
    return [np.asarray(tokenizer.encode(piece), "int32") for piece in pieces]


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
            f"A gap of this many tokens cannot be filled. Expected 1 to {MOST_TOKENS}. "
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
            f"There is no text. Expected a string{'' if allow_empty else ' that is not empty'}. "
            f"Received: text={text!r}. Type some words, and ____ where some are missing."
        )


def _check_words(words, count):
    """The numbers of the words, each once, rising."""
    numbers = list(words) if isinstance(words, Iterable) else []
    if not numbers or not all(is_whole(n) and 0 <= n < count for n in numbers):
        raise ValueError(
            f"`words` names no words of the text. Expected one or more numbers from 0 to "
            f"{count - 1}. Received: words={_shortened(repr(words))}. Count the words from 0."
        )
    return sorted(set(numbers))


def _shortened(text):
    return text if len(text) <= 60 else f"{text[:57]}..."
