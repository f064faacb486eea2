"""Text with gaps, as a person types it, to the tokens and the mask that `infill` takes.

With any tokenizer: its `encode`, `decode` and `vocabulary_size` are all that is asked.
"""

import math
import re
import unicodedata
from collections.abc import Iterable

import numpy as np

from md4keras.checks import check_integers, check_whole
from md4keras.tokenizers import decode_masked
from md4keras.tokenizers.characters import DIGIT_WORDS

__all__ = [
    "check_known",
    "cut",
    "fit_to_alphabet",
    "mask_words",
    "parse_gaps",
    "replacements",
    "write_gaps",
]

MOST_TOKENS = 1_000_000  # of a text without a `max_length`

# What Unicode itself does not reduce to plain characters.
_TYPED_AS = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"}
_TYPED_AS |= {"ı": "i", "‘": "'", "’": "'", "“": '"', "”": '"', "„": '"', "–": "-", "—": "-"}

# Possessive, so that no text, however odd, makes the search slow.
_NAMED_GAP = r"\[\s*+mask\s*+(?:(?::\s*+)?+([0-9]++)\s*+)?\]"


def parse_gaps(text: str, tokenizer, max_length: int | None = None, shown: str | None = None):
    """Turns a text with gaps into tokens and a mask.

    A gap is a run of underscores, one token each, or `[mask]` (one token), or `[mask 12]` or
    `[mask:12]` (twelve), in upper or lower case and with spaces inside the brackets. Where the
    tokenizer can encode an underscore itself (`ByteTokenizer`, or an alphabet that has it), only
    runs of three or more are gaps, so that `snake_case` and `__name__` stay what they are.
    `[mask]` is a gap with every tokenizer.

    With word pieces a gap's tokens are pieces, of several characters each. The space before a word
    is a part of the word's piece, so one space before a gap is left to the gap: what is filled in
    brings its own, or goes on with the word before. (Of two spaces, one stays.)

    Args:
        text: str, what was typed. All but the gaps is encoded by the tokenizer, each part between
            two gaps on its own.
        tokenizer: any tokenizer.
        max_length: int, the most tokens that the text may have, gaps included; `None` for
            1,000,000.
        shown: str, what messages show as the text that was received, where `text` was made of it
            (as by `fit_to_alphabet`); `None` for `text`.

    Returns:
        `tokens`, int32 `[length]`, with the mask (`vocabulary_size`) in the gaps, and `mask`, bool
        `[length]`, `True` there.

    Raises:
        ValueError: for a text that is empty or too long, has no gap or one of a number of tokens
            that is no good, or has a character outside the vocabulary.

    Example:

    >>> parse_gaps("a [mask 2]", md4keras.tokenizers.ByteTokenizer())[0].tolist()
    [97, 32, 256, 256]
    """
    shown = text if shown is None else shown
    _check_string(text, shown=shown)
    most = MOST_TOKENS if max_length is None else max_length
    check_whole("max_length", most, mend="Give the length that the model was trained at.")
    pattern = re.compile(_gap_pattern(tokenizer))
    gaps = list(pattern.finditer(text))
    if not gaps:
        raise ValueError(
            f"The text has nothing to fill. Expected a gap: {fewest_underscores(tokenizer)} or "
            f"more underscores, [mask], or [mask 12]. Received: text={shown[:60]!r}. "
            "Type ____ where something is to be written."
        )
    counts = [_count(gap) for gap in gaps]
    # Any character, repeated, stands for a gap: an error then tells the place in the whole text.
    stand_in = tokenizer.decode(np.zeros(1, "int32"))
    tokenizer.encode(pattern.sub(lambda gap: stand_in * len(gap[0]), text))
    return _masked(text, gaps, counts, tokenizer, most)


def write_gaps(tokens, tokenizer) -> str:
    """The text that `parse_gaps` turns into these tokens: masks as `____`, or as `[mask 2]`.

    Args:
        tokens: ints `[length]`, masks (`vocabulary_size`) among them.
        tokenizer: any tokenizer.

    Example:

    >>> from md4keras.tokenizers import ByteTokenizer
    >>> tokenizer = ByteTokenizer()
    >>> write_gaps([*tokenizer.encode("a "), 256, 256, *tokenizer.encode(" sat")], tokenizer)
    'a [mask 2] sat'
    """
    tokens, fewest = np.asarray(tokens), fewest_underscores(tokenizer)
    is_mask = tokens == tokenizer.vocabulary_size
    runs = np.split(tokens, np.flatnonzero(np.diff(is_mask)) + 1) if len(tokens) else []
    texts = [decode_masked(tokenizer, run) for run in runs]
    for i, run in enumerate(runs):
        if run[0] == tokenizer.vocabulary_size:
            before, after = "".join(texts[max(0, i - 1) : i]), "".join(texts[i + 1 : i + 2])
            plain = len(run) >= fewest and before[-1:] != "_" != after[:1]
            space = " " if before and _joins_spaces(tokenizer) else ""
            texts[i] = space + ("_" * len(run) if plain else f"[mask {len(run)}]")
    return "".join(texts)


def fit_to_alphabet(text: str, tokenizer, keep_gaps: bool = True) -> str:
    """A text without what a tokenizer lacks: such characters become what was most likely meant.

    That is, of these the first that can be encoded: the lower-case character, the upper-case one,
    the same without accents or as it is typed on a keyboard (`é` as `e`, `ß` as `ss`, a curly quote
    as a straight one), a digit as a word (`42` as `four two`, as in text8), a space, nothing.

    Args:
        text: str, what was typed, with or without gaps.
        tokenizer: any tokenizer; a `ByteTokenizer` lacks nothing.
        keep_gaps: bool, whether gaps (see `parse_gaps`) stay as they are; otherwise underscores
            and brackets are characters like any other.

    Raises:
        ValueError: if `text` is no string.

    Example:

    >>> fit_to_alphabet("The CAT, ____.", md4keras.tokenizers.CharacterTokenizer())
    'the cat  ____ '
    """
    meant = replacements(text, tokenizer, keep_gaps)
    piece = f"{_gap_pattern(tokenizer)}|." if keep_gaps else "(?s)."
    fitted, after_word = "", False
    for found in re.finditer(piece, text):
        new = meant.get(found[0], found[0])
        is_word = new.lower() in DIGIT_WORDS and found[0] in meant
        apart = (is_word or after_word) and fitted and not fitted[-1].isspace()
        fitted += f" {new}" if apart and new and not new[0].isspace() else new
        after_word = is_word
    return fitted


def replacements(text: str, tokenizer, keep_gaps: bool = True) -> dict[str, str]:
    """What `fit_to_alphabet` replaces: each character that the tokenizer lacks, and by what.

    In the order of the text; a character that is dropped has the value `""`. (Words for digits
    also get spaces round them.)

    Example:

    >>> replacements("Naïve!", md4keras.tokenizers.CharacterTokenizer())
    {'N': 'n', 'ï': 'i', '!': ' '}
    """
    _check_string(text, allow_empty=True)
    kept = re.sub(_gap_pattern(tokenizer), "", text) if keep_gaps else text
    return {
        character: _meant(character, tokenizer)
        for character in dict.fromkeys(kept)
        if not _can_encode(tokenizer, character)
    }


def check_known(text: str, tokenizer, replace: bool, keep_gaps: bool = True) -> str:
    """The characters of a text that a tokenizer lacks, at most 20 of them, to be told.

    Args:
        text, tokenizer, keep_gaps: as in `fit_to_alphabet`.
        replace: bool, whether that will replace them; otherwise they are an error.

    Raises:
        ValueError: for characters that the tokenizer lacks, unless they are to be replaced.

    Example:

    >>> check_known("naïve", md4keras.tokenizers.CharacterTokenizer(), replace=True)
    'ï'
    """
    unknown = "".join(replacements(text, tokenizer, keep_gaps))[:20]
    if unknown and not replace:
        alphabet = getattr(tokenizer, "alphabet", "")
        expected = f"Expected some of {alphabet[:100]!r}. " if alphabet else ""
        raise ValueError(
            f"The model does not know these characters: {unknown!r}. {expected}Received: "
            f"{text[:60]!r}. Change them, or have them replaced: "
            "md4keras.data.gaps.fit_to_alphabet (--replace-unknown)."
        )
    return unknown


def _meant(character: str, tokenizer) -> str:
    """What a tokenizer can encode in the place of a character that it cannot."""
    parts = unicodedata.normalize("NFKD", character)
    plain = "".join(part for part in parts if not unicodedata.combining(part))
    if not plain:
        return ""  # an accent on its own belongs to the letter before it
    forms = [character, plain, _TYPED_AS.get(character.lower(), "")]
    digit = unicodedata.digit(character, None)
    if digit is not None and _can_encode(tokenizer, " "):
        forms.append(DIGIT_WORDS[digit])
    for form in forms:
        for each in (form, form.lower(), form.upper()):
            if each and all(_can_encode(tokenizer, part) for part in each):
                return each
    return " " if _can_encode(tokenizer, " ") else ""


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
    whole = decode_masked(tokenizer, tokens, cut=False)

    def sides(end):
        parts = tokens[:end], tokens[end:]
        return [decode_masked(tokenizer, part, cut=False) for part in parts]

    # Only between two characters do both sides decode to what they were together.
    ends = range(most, max(most - 4, 0), -1)
    end = next((end for end in ends if "".join(sides(end)) == whole), most)
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
        there. (With bytes, a word has as many tokens as bytes; with word pieces as many as it has
        pieces, with the space before it.)

    Raises:
        ValueError: for a text that is empty or has a character outside the vocabulary, or words
            that are none or not there.

    Example:

    >>> mask_words("a cat", [1], md4keras.tokenizers.ByteTokenizer())[1].tolist()
    [False, False, True, True, True]
    """
    _check_string(text)
    tokenizer.encode(text)  # an unknown character is told with its place in the whole text
    found = list(re.finditer(r"\S+", text))
    words = list(words) if isinstance(words, Iterable) else words
    words = check_integers("words", words, ("count",), len(found), "Count the words from 0.")
    chosen = [found[number] for number in np.unique(words)]
    starts = [_start(word, tokenizer) for word in chosen]
    counts = [len(tokenizer.encode(text[i : w.end()])) for i, w in zip(starts, chosen, strict=True)]
    return _masked(text, chosen, counts, tokenizer)


def fewest_underscores(tokenizer) -> int:
    """How many underscores in a row are a gap: 3 where the tokenizer can encode one, else 1."""
    return 3 if _can_encode(tokenizer, "_") else 1


def _can_encode(tokenizer, text) -> bool:
    try:
        tokenizer.encode(text)
        return True
    except (LookupError, ValueError):
        return False


def _gap_pattern(tokenizer) -> str:
    return rf"(?is)_{{{fewest_underscores(tokenizer)},}}|{_NAMED_GAP}"


def _count(gap: re.Match) -> int:
    """How many tokens a gap asks for."""
    if gap[0].startswith("_"):
        return len(gap[0])
    digits = "1" if gap[1] is None else gap[1].lstrip("0")
    if not 1 <= len(digits) <= 9:
        raise ValueError(
            f"A gap of this many tokens cannot be filled. Expected 1 to {MOST_TOKENS}. "
            f"Received: {gap[0][:60]!r}. Write [mask 12] for twelve tokens."
        )
    return int(digits)


def _start(match: re.Match, tokenizer) -> int:
    """Where what masks replace begins: with the space before it, where tokens of words have it."""
    start = match.start()
    return start - (_joins_spaces(tokenizer) and match.string[max(0, start - 1) : start] == " ")


def _joins_spaces(tokenizer) -> bool:
    return getattr(tokenizer, "joins_spaces", False)


def _masked(text, matches, counts, tokenizer, most=math.inf):
    """The tokens of a text, with so many masks in the place of each match, and where these are."""
    starts = [0, *(match.end() for match in matches)]
    ends = [*(_start(match, tokenizer) for match in matches), len(text)]
    kept = [tokenizer.encode(text[i:j]) for i, j in zip(starts, ends, strict=True)]
    length = sum(counts) + sum(map(len, kept))
    if length > most:
        raise ValueError(
            f"The text is {length} tokens long, {length - most} too many. Expected at most {most}. "
            f"Received: length={length}, max_length={most}. Shorten the text or its gaps."
        )
    lengths = [n for piece, gap in zip(kept, [*counts, 0], strict=True) for n in (len(piece), gap)]
    mask = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)  # [length]
    tokens = np.full(length, tokenizer.vocabulary_size, "int32")
    tokens[~mask] = np.concatenate(kept)
    return tokens, mask


def _check_string(text, allow_empty=False, shown=None):
    if not isinstance(text, str) or not (text or allow_empty):
        received = text if shown is None else shown
        raise ValueError(
            f"There is no text. Expected a string{'' if allow_empty else ' that is not empty'}. "
            f"Received: text={received!r}. Type some words, and ____ where some are missing."
        )
