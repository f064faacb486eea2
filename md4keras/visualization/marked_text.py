"""Text whose tokens carry colours and remarks, as HTML for a page that is light or dark."""

import html
import re

import numpy as np

from md4keras.checks import Interval, check_integers, check_number
from md4keras.tokenizers import decode_masked

__all__ = [
    "candidate_titles",
    "confidence_colour",
    "doubt_colour",
    "marked_html",
    "token_symbols",
    "translucent",
]

_OPACITY = 0.4  # the page shines through, so that its own text colour stays readable
_UNSURE, _SURE = np.array([(230, 97, 1), (0, 114, 178)])  # orange, blue: apart for every eye
_DAMAGE = "\ufffd"
_SPACE = "\u2423"  # an open box
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
    backgrounds, titles = (
        [None] * len(symbols) if marks is None else list(marks) for marks in (backgrounds, titles)
    )
    for mark in (*symbols, *(m for m in (*backgrounds, *titles) if m is not None)):
        if not isinstance(mark, str):
            raise ValueError(
                "Tokens and their marks are texts. Expected strings, and None for no mark. "
                f"Received: one of {type(mark)}. Decode the tokens, one by one, first."
            )
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
    """The `translucent` background of a probability: orange for 0, over brown, to blue for 1.

    Args:
        probability: float in `[0, 1]`, of a token.

    Example:

    >>> confidence_colour(1.0) == confidence_colour(0.0)
    False
    """
    mend = "Exponentiate a log-probability first."
    check_number("probability", probability, Interval(0, 1), mend)
    return translucent((_UNSURE + probability * (_SURE - _UNSURE)).round().astype(int))


def translucent(colour, strength: float = 1.0) -> str:
    """A colour in CSS, as a background that is readable on light and on dark pages.

    Args:
        colour: int `[3]` in `[0, 256)`, red, green and blue, such as a row of `step_colours`.
        strength: float in `[0, 1]`; 0 cannot be seen, 1 is as strong as text on it allows.

    Example:

    >>> translucent((230, 97, 1))
    'rgba(230, 97, 1, 0.4)'
    """
    mend = "Pass one row of an array of colours: red, green and blue."
    red, green, blue = check_integers("colour", colour, (3,), 256, mend).tolist()
    check_number("strength", strength, Interval(0, 1), "Divide by the largest there can be.")
    return f"rgba({red}, {green}, {blue}, {round(_OPACITY * float(strength), 3)})"


def doubt_colour(entropy: float, most: float) -> str:
    """The `translucent` background of an entropy: none for 0, the orange of doubt for `most`.

    Args:
        entropy: float in `[0, most]`, such as an entry of `entropy_map`.
        most: float, the largest there can be: `log2` of the number of values, in bits.

    Example:

    >>> doubt_colour(0.0, most=2.0) == doubt_colour(2.0, most=2.0)
    False
    """
    return translucent(_UNSURE, min(1.0, entropy / most))


def token_symbols(tokens, tokenizer, mask_symbol: str = "_") -> list[str]:
    """The text of each token, for `marked_html`.

    Where a character has several tokens (bytes, or word pieces that end inside one), the text of
    these tokens stands at the first, and the others are empty. Nothing is cut: the end of a text
    and padding are shown by their names.

    Args:
        tokens: int `[length]`, masks among them.
        tokenizer: any tokenizer.
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
        rest = tokens[len(symbols) :]
        text = first = decode_masked(tokenizer, rest[:1], mask_symbol, cut=False)
        size = 1
        # Further tokens of the same character are taken along while they may yet complete it.
        while text.find(_DAMAGE) == len(text) - 1 >= 0 and size < len(rest):
            size += 1
            text = decode_masked(tokenizer, rest[:size], mask_symbol, cut=False)
        symbols += [first] if _DAMAGE in text else [text, *[""] * (size - 1)]
    return symbols


def candidate_titles(found, tokenizer) -> list[str]:
    """What might stand at each position, a string each: `"e 62 %, a 20 %, space 3 %"`.

    Spaces at the ends of a word piece are shown as `␣`.

    Args:
        found: a `md4keras.evaluation.candidates.Candidates`.
        tokenizer: any tokenizer.

    Example:

    >>> tokenizer = md4keras.tokenizers.CharacterTokenizer()
    >>> found = md4keras.evaluation.candidates.Candidates(
    ...     np.array([3]), np.array([0.6]), np.array([[5, 1]]), np.array([[0.6, 0.3]]))
    >>> candidate_titles(found, tokenizer)
    ['e 60 %, a 30 %']
    """

    def named(value, p):
        symbol = decode_masked(tokenizer, [value], cut=False)
        spaces = len(symbol) - len(symbol.lstrip(" ")), len(symbol) - len(symbol.rstrip(" "))
        shown = spaces[0] * _SPACE + symbol.strip(" ") + spaces[1] * _SPACE
        name = f"token {value}" if _DAMAGE in symbol else _NAMES.get(symbol, shown)
        return f"{name} below 1 %" if 0 < p < 0.01 else f"{name} {100 * p:.0f} %"

    rows = zip(found.values.tolist(), found.probabilities.tolist(), strict=True)
    return [", ".join(map(named, values, ps)) for values, ps in rows]


def _escape(text: str) -> str:
    return html.escape(text, quote=True).translate(_SPELLING)
