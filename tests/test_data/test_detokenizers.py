"""Detokenisers equal the field's on sentences made for the purpose, oddities included."""

import json
from pathlib import Path

import pytest

from md4keras.data import detokenizers

pytestmark = pytest.mark.one_backend

PAIRS = json.loads((Path(__file__).parents[1] / "data" / "detokenizers.json").read_text("utf-8"))


def test_each_has_its_pairs():
    assert set(PAIRS) == set(detokenizers.DETOKENIZERS)
    assert all(raw != clean for pairs in PAIRS.values() for raw, clean in pairs)


@pytest.mark.parametrize(
    "name, raw, clean", [(name, *pair) for name, pairs in PAIRS.items() for pair in pairs]
)
def test_a_text_is_detokenised_as_published(name, raw, clean):
    assert detokenizers.get(name)(raw) == clean


@pytest.mark.parametrize(
    "name, raw, clean",
    [
        ("wikitext", "' a ' , ' b '", "'a', 'b'"),
        ("wikitext", "the dogs ' tails", "the dogs' tails"),
        ("wikitext", "N N N", "N 1 N"),  # one pass
        ("wikitext", "x /' 7/ y", "x /'[0-9]/ y"),  # the published slip
        ("wikitext", "= = = = A = = = =", "==== A ===="),
        ("wikitext", "a ( b ( c ) d )", "a (b ( c) d )"),
        ("ptb", " N" * 30 + " ", " 1" * 30 + " "),  # ten passes are enough
        ("ptb", "they ca n't", "they can't"),
        ("ptb", "N", "N"),  # spaces are asked for
        ("lm1b", "It is so .", "It is so."),
        ("lm1b", "It is ' so ' .", "It is 'so' ."),  # a full stop joins words alone
        ("lm1b", "a . b . c", "a . b. c"),  # with a space before them
        ("lm1b", "why ?", "why?"),
        ("lambada", "\n“x”  ", '\n"x"'),
    ],
)
def test_rules_worked_out_by_hand(name, raw, clean):
    assert detokenizers.get(name)(raw) == clean


def test_papers_have_the_rules_of_wikitext_and_then_of_lm1b():
    text = PAIRS["wikitext"][1][0] + PAIRS["lm1b"][1][0]
    expected = detokenizers.lm1b(detokenizers.wikitext(text))
    assert detokenizers.scientific_papers(text) == expected


def test_none_changes_nothing_and_an_unknown_name_is_told():
    assert detokenizers.get(None)(" a , b ") == " a , b "
    with pytest.raises(ValueError, match="Received: detokenizer='wiki'"):
        detokenizers.get("wiki")
