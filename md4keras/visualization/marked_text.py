"""Text whose tokens carry colours and remarks, as HTML for a page that is light or dark."""

import html
import re

import numpy as np

from md4keras.checks import Interval, check_number

_OPACITY = 0.4  # the page shines through, so that its own text colour stays readable
_UNSURE, _SURE = (230, 97, 1), (0, 114, 178)  # orange, blue: apart for every kind of eye
_DAMAGE = "\ufffd"
_NAMES = {" ": "space", "\n": "new line", "\t": "tab", "\r": "return"}
_CSS_COLOUR = re.compile(r"rgba?\([0-9., ]{5,40}\)|#[0-9a-fA-F]{3,8}|transparent")
_STYLE = "font-family: monospace; white-space: pre-wrap; overflow-wrap: anywhere"
# Newlines are spelt out: where the HTML stands in Markdown, an empty line would end the block.
# Other control characters are shown by their pictures, lone surrogates by the sign for damage.
_SPELLING = {code: chr(0x2400 + code) for code in range(32)} | {127: "\u2421"}
_SPELLING |= {ord("\t"): "&#9;", ord("\n"): "&#10;"}
_SPELLING |= dict.fromkeys(range(0xD800, 0xE000), _DAMAGE)


def marked_html(symbols, backgrounds=None, titles=None) -> str:
    """One `<span>` a token, in a monospaced block that keeps spaces and newlines.

    Everything is escaped: no token or title can become markup.

    Args:
        symbols: `n` strings, the tokens' texts.
        backgrounds: `n` CSS colours such as `confidence_colour` and `translucent` give, `None` for
            a token without one; `None` for none at all.
        titles: `n` strings that are shown when the pointer rests on a token; `None` as above.

    Returns:
        A `<div>`, safe inside HTML and Markdown.

    Raises:
        ValueError: for what are no strings or no colours, or are not as many as the tokens.

    Example:

    >>> page = marked_html(["a", "<b>"], titles=["90 %", None])
    >>> page.partition(">")[2]
    '<span title="90 %">a</span><span>&lt;b&gt;</span></div>'
    """
    symbols = list(symbols)
    blank = [None] * len(symbols)
    backgrounds = blank if backgrounds is None else list(backgrounds)
    titles = blank if titles is None else list(titles)
    _check_strings("symbols", symbols, str)
    _check_strings("backgrounds", backgrounds, str | None)
    _check_strings("titles", titles, str | None)
    if not len(symbols) == len(backgrounds) == len(titles):
        raise ValueError(
            "The marks do not fit the tokens. Expected one background and one title for each. "
            f"Received: {len(symbols)} symbols, {len(backgrounds)} backgrounds, "
            f"{len(titles)} titles. Use None for a token without a mark."
        )
    spans = []
    for symbol, background, title in zip(symbols, backgrounds, titles, strict=True):
        if background is not None and not _CSS_COLOUR.fullmatch(background):
            raise ValueError(
                "A background is no colour. Expected 'rgba(red, green, blue, opacity)' or "
                f"'#rrggbb'. Received: {background[:80]!r}. Make it with `translucent`."
            )
        style = "" if background is None else f' style="background-color: {background}"'
        remark = "" if title is None else f' title="{_escape(title)}"'
        spans.append(f"<span{style}{remark}>{_escape(symbol)}</span>")
    return f'<div style="{_STYLE}">{"".join(spans)}</div>'


def confidence_colour(probability: float) -> str:
    """The background of a token with this probability: orange for 0, over brown, to blue for 1.

    Args:
        probability: float in `[0, 1]`.

    Returns:
        A translucent CSS colour.
    """
    mend = "Exponentiate a log-probability first."
    check_number("probability", probability, Interval(0, 1), mend)
    unsure, sure = np.array(_UNSURE), np.array(_SURE)
    return translucent((unsure + probability * (sure - unsure)).round().astype(int))


def translucent(colour, strength: float = 1.0) -> str:
    """A colour as a background that is readable on light and on dark pages.

    Args:
        colour: int `[3]` in `[0, 256)`, red, green and blue, such as a row of `step_colours`.
        strength: float in `[0, 1]`; 0 cannot be seen, 1 is as strong as text on it allows.

    Returns:
        The CSS colour.

    Example:

    >>> translucent((230, 97, 1))
    'rgba(230, 97, 1, 0.4)'
    """
    colour = np.asarray(colour)
    good = colour.shape == (3,) and np.issubdtype(colour.dtype, np.integer)
    if not good or colour.min() < 0 or colour.max() > 255:
        raise ValueError(
            "`colour` is none. Expected three integers in [0, 256): red, green and blue. "
            f"Received: colour of shape={colour.shape}, dtype={colour.dtype}. "
            "Pass one row of an array of colours."
        )
    mend = "Divide by the largest value there can be."
    check_number("strength", strength, Interval(0, 1), mend)
    red, green, blue = colour.tolist()
    return f"rgba({red}, {green}, {blue}, {round(_OPACITY * float(strength), 3)})"


def doubt_colour(entropy: float, most: float) -> str:
    """The background of a token of this entropy: none for 0, the orange of doubt for `most`.

    Args:
        entropy: float in `[0, most]`, such as an entry of `entropy_map`.
        most: float, the largest there can be: `log2` of the number of values, in bits.

    Returns:
        A translucent CSS colour.
    """
    return translucent(_UNSURE, min(1.0, entropy / most))


def token_symbols(tokens, tokenizer, mask_symbol: str = "_") -> list[str]:
    """The text of each token, for `marked_html`.

    Where a character has several tokens (bytes), it stands at the first, and the others are empty.

    Args:
        tokens: int `[length]`, masks among them.
        tokenizer: a `CharacterTokenizer` or `ByteTokenizer`.
        mask_symbol: str, one character, what a masked position is shown as.

    Returns:
        `length` strings; U+FFFD for what is no character.

    Example:

    >>> from md4keras.tokenizers import ByteTokenizer
    >>> token_symbols([110, 195, 169, 256], ByteTokenizer())
    ['n', 'é', '', '_']
    """
    symbols = []
    while len(symbols) < len(tokens):
        first = len(symbols)
        pieces = [
            tokenizer.decode(tokens[first : first + size], mask_symbol) for size in (1, 2, 3, 4)
        ]
        whole = [size for size, piece in enumerate(pieces) if len(piece) == 1 and piece != _DAMAGE]
        size = whole[0] if whole else 0
        symbols += [pieces[size] if whole else _DAMAGE, *[""] * size]
    return symbols


def candidate_titles(found, tokenizer) -> list[str]:
    """What might stand at each position, in words: `"e 62 %, a 20 %, space 3 %"`.

    Args:
        found: a `md4keras.evaluation.candidates.Candidates` of `M` positions.
        tokenizer: a `CharacterTokenizer` or `ByteTokenizer`.

    Returns:
        `M` strings.
    """
    return [
        ", ".join(
            f"{_spelled(value, tokenizer)} {_percent(p)}"
            for value, p in zip(values, ps, strict=True)
        )
        for values, ps in zip(found.values.tolist(), found.probabilities.tolist(), strict=True)
    ]


def _spelled(value: int, tokenizer) -> str:
    """A token's name: its character, or a word where that cannot be seen."""
    symbol = tokenizer.decode([value])
    if symbol == _DAMAGE:
        return f"token {value}"
    return _NAMES.get(symbol, symbol)


def _percent(p: float) -> str:
    return "below 1 %" if 0 < p < 0.01 else f"{p:.0%}".replace("%", " %")


def _check_strings(name, values, kind):
    for value in values:
        if not isinstance(value, kind):
            raise ValueError(
                f"`{name}` are not all texts. Expected each to be of {kind}. "
                f"Received: one of {type(value)}. Decode the tokens, one by one, first."
            )


def _escape(text: str) -> str:
    return html.escape(text, quote=True).translate(_SPELLING)
