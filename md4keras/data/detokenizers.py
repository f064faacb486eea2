r"""Detokenisers: texts that were published cut into words, as people write them.

WikiText, the Penn Treebank and the One Billion Word Benchmark put spaces round punctuation, and
write `@-@` or `N`. A model of ordinary text is measured on what its own rules make of them again.
These are the rules of the field's code for zero-shot perplexity: MDLM (Sahoo et al. 2024,
https://github.com/kuleshov-group/mdlm, `dataloader.py`), which took them from SEDD (Lou et al.
2024), and those of WikiText and the Penn Treebank in turn from Megatron-LM. They are kept rule by
rule, oddities included, because a figure compares with a published one only on the same text.

A set without rules, such as AG News, is measured as it was published.
"""

import re
from collections.abc import Callable

from md4keras.checks import check_name

__all__ = ["get", "lambada", "lm1b", "ptb", "scientific_papers", "wikitext"]


def wikitext(text: str) -> str:
    """WikiText, a line at a time.

    It also writes `1` for a lone `N`, which is a word for a number in the Penn Treebank alone.

    Example:

    >>> wikitext(" The first engine , built in 1 @,@ 204 parts ( of iron ) , left . \\n")
    ' The first engine, built in 1,204 parts (of iron), left.\\n'
    """
    text = text.replace("s '", "s'")
    # A slip of the published code: the slashes were to enclose the pattern, and it writes itself.
    text = re.sub("/' [0-9]/", "/'[0-9]/", text)
    for sign in "-,.":  # within a number or a word
        text = text.replace(f" @{sign}@ ", sign)
    for sign in ":;.!?,":
        text = text.replace(f" {sign} ", f"{sign} ")
    for begin, end in ("()", "[]", "{}", '""', "''"):
        first, last = re.escape(begin), re.escape(end)
        text = re.sub(rf"{first}\s*([^{last}]*?)\s*{last}", rf"{begin}\1{end}", text)
    for count in (4, 3, 2):  # headings
        text = text.replace(" ".join("=" * count), "=" * count)
    text = text.replace(" ° ", "°").replace(" \n", "\n").replace("\n ", "\n")
    return text.replace(" N ", " 1 ").replace(" 's", "'s")


def ptb(text: str) -> str:
    """The Penn Treebank, a sentence at a time: `1` for its numbers, `?` for its unknown words.

    Example:

    >>> ptb("the company 's profit rose N N to $ N million and <unk> n't say why")
    "the company's profit rose 1 1 to $1 million and ?n't say why"
    """
    text = text.replace(" 's", "'s").replace("s ' ", "s' ").replace(" n't", "n't")
    text = text.replace(" \n ", "\n").replace("\\/", "/")
    for _ in range(10):  # neighbours share a space, so that one pass takes every other one
        text = text.replace(" N ", " 1 ")
    return text.replace("$ 1", "$1").replace("# 1", "#1").replace("<unk>", "?")


def lm1b(text: str) -> str:
    """The One Billion Word Benchmark, a sentence at a time.

    Example:

    >>> lm1b('He said , " It \\'s over ! " ( almost ) : $ 30 .')
    'He said, "It\\'s over!" (almost): $30.'
    """
    for scheme in ("http", "https"):
        text = text.replace(f"{scheme} : / / ", f"{scheme}://")
    text = re.sub(r" '(\w+)", r"'\1", text)
    text = re.sub(r" (\w+) \. ", r" \1. ", text)
    text = re.sub(r" (\w+) \.$", r" \1.", text)
    for sign in "?!":
        text = text.replace(f" {sign} ", f"{sign} ")
        text = re.sub(rf" \{sign}$", sign, text)
    for sign in ",:;":
        text = text.replace(f" {sign} ", f"{sign} ")
    text = text.replace(" / ", "/")
    for begin, end in ('""', "''", "()", "[]"):
        first, last = re.escape(begin), re.escape(end)
        text = re.sub(rf"{first} ([^{first}{last}]+) {last}", rf"{begin}\1{end}", text)
    return text.replace("$ ", "$").replace("£ ", "£")


def lambada(text: str) -> str:
    """LAMBADA, a passage at a time: straight quotes, and a line break in front.

    Example:

    >>> lambada(" “Where?” she asked. ")
    '\\n"Where?" she asked.'
    """
    return "\n" + text.replace("“", '"').replace("”", '"').strip()


def scientific_papers(text: str) -> str:
    """Papers of PubMed and arXiv, an article at a time: the rules of `wikitext`, then of `lm1b`.

    Example:

    >>> scientific_papers("the map ( see figure 2 ) is , in fact , smooth .")
    'the map (see figure 2) is, in fact, smooth.'
    """
    return lm1b(wikitext(text))


DETOKENIZERS: dict[str, Callable[[str], str]] = {
    "wikitext": wikitext,
    "ptb": ptb,
    "lm1b": lm1b,
    "lambada": lambada,
    "scientific_papers": scientific_papers,
}
"""The detokenisers by name."""


def get(name: str | None) -> Callable[[str], str]:
    """A detokeniser from its name; `None` gives one that changes nothing.

    Raises:
        ValueError: for an unknown name.

    Example:

    >>> get("lm1b")("so it is .")
    'so it is.'
    """
    if name is None:
        return str
    return DETOKENIZERS[check_name("detokenizer", name, DETOKENIZERS, "Or None for none.")]
