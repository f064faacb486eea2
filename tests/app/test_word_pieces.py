"""The pages on a model of word pieces: a token is shown as the characters that it stands for."""

import html
import re

import pytest

import md4keras
from md4keras.data.gaps import parse_gaps

pytestmark = pytest.mark.one_backend


@pytest.fixture
def tokenizer(piece_folder):
    return md4keras.tokenizers.load(piece_folder / "pieces")


def alternatives(page):
    """The tokens of each alternative, as texts."""
    bodies = [each.proto.body for each in page.get("html")]
    _, *found = [body for body in bodies if "<span" in body]  # the first is the legend
    return [[html.unescape(t) for t in re.findall("<span[^>]*>([^<]*)<", b)] for b in found]


def test_gaps_are_filled_and_each_piece_is_marked(open_page, piece_folder, tokenizer):
    page = open_page("infill", piece_folder)
    page.slider(key="infill_steps").set_value(3)
    example = page.text_area[0].value
    tokens, mask = parse_gaps(example, tokenizer)  # the example has gaps that can be read
    assert len(tokens) <= 16 and mask.sum() >= 2
    page.text_area[0].set_value("the quick ____ naïve [mask 2] dog")
    page.button(key="infill_gaps").click().run()
    assert not page.exception and not page.error
    tokens, mask = parse_gaps("the quick ____ naïve [mask 2] dog", tokenizer)
    found = alternatives(page)
    assert len(found) == 3
    for symbols in found:
        assert len(symbols) == len(tokens)
        assert "".join(symbols[: mask.argmax()]) == "the quick"
        assert symbols[-1] == tokenizer.decode(tokens[-1:])
    body = next(each.proto.body for each in page.get("html") if "title=" in each.proto.body)
    assert body.count("title=") == mask.sum()
    assert any("Rest the pointer on a piece" in caption.value for caption in page.caption)


def test_words_are_clicked(open_page, piece_folder):
    page = open_page("infill", piece_folder)
    page.slider(key="infill_steps").set_value(3)
    page.text_area[1].set_value("the naïve dog").run()
    assert page.button_group[0].options == ["the", "naïve", "dog"]
    page.button_group[0].set_value([1])
    page.button(key="infill_clicked").click().run()
    assert not page.exception and not page.error
    for symbols in alternatives(page):
        assert symbols[0] == "the" and "".join(symbols).endswith(" dog")


def test_texts_are_generated_and_watched(open_page, piece_folder):
    page = open_page("generate", piece_folder)
    page.slider(key="gen_steps").set_value(3)
    page.button(key="generate").click().run()
    assert not page.exception and not page.error and len(page.code) == 3
    page = open_page("watch", piece_folder)
    page.slider(key="watch_steps").set_value(2)
    page.button(key="watch_run").click().run()
    assert not page.exception and not page.error
