import re
from html.parser import HTMLParser

import numpy as np
import pytest

from md4keras.evaluation.candidates import Candidates
from md4keras.tokenizers import BytePairTokenizer, ByteTokenizer, CharacterTokenizer
from md4keras.visualization.marked_text import (
    candidate_titles,
    confidence_colour,
    doubt_colour,
    marked_html,
    token_symbols,
    translucent,
)
from md4keras.visualization.trajectories import step_colours

pytestmark = pytest.mark.one_backend


class Page(HTMLParser):
    """What a browser makes of the HTML: its tags with their attributes, and each tag's text."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.tags, self.texts = [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.texts.append("")

    def handle_data(self, text):
        self.texts[-1] += text


def spans(page):
    page = Page(page)
    assert page.tags[0][0] == "div" and {tag for tag, _ in page.tags[1:]} <= {"span"}
    return [(text, tag[1]) for tag, text in zip(page.tags, page.texts, strict=True)][1:]


ATTACKS = [
    "<script>alert(1)</script>",
    "</span></div><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "' onmouseover='alert(1)",
    "&lt;script&gt;",
    "<!-- ",
    "&#60;b&#62;",
    "]]><svg/onload=alert(1)>",
    "<\n\n<b>",
]


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_token_or_title_becomes_markup(attack):
    ((text, attributes),) = spans(marked_html([attack], titles=[attack]))
    assert text == attack and attributes == {"title": attack}


@pytest.mark.parametrize(
    "attack", ['red" onclick="alert(1)', "rgba(0,0,0,1); position: fixed", "url(//evil)", "<b>", ""]
)
def test_no_background_becomes_markup_or_another_style(attack):
    with pytest.raises(ValueError, match="background is no colour.*Received: "):
        marked_html(["a"], backgrounds=[attack])


def test_the_text_is_kept_with_its_spaces_and_newlines():
    symbols = [*" a  b\n\n\tc é 漢 😀 &amp; _*$`", "", " two words \n"]
    page = marked_html(symbols)
    assert [text for text, _ in spans(page)] == symbols
    assert "\n" not in page  # an empty line would end the block inside Markdown
    style = Page(page).tags[0][1]["style"]
    assert "monospace" in style and "white-space: pre-wrap" in style


def test_marks_belong_to_their_tokens():
    page = marked_html(
        ["a", "b", "c"],
        [translucent((1, 2, 3)), None, "#ffcc00"],
        [None, "50 %\nsecond line", ""],
    )
    assert [attributes for _, attributes in spans(page)] == [
        {"style": "background-color: rgba(1, 2, 3, 0.4)"},
        {"title": "50 %\nsecond line"},
        {"style": "background-color: #ffcc00", "title": ""},
    ]


def test_what_cannot_be_shown_is_shown_by_a_sign():
    page = marked_html(["\0", "\x1b", "\r", "\x7f", "\ud800"])
    assert [text for text, _ in spans(page)] == ["␀", "␛", "␍", "␡", "\ufffd"]
    page.encode("utf-8")


def test_no_tokens_make_an_empty_block():
    assert spans(marked_html([])) == []


def test_marks_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="Received: 2 symbols, 1 backgrounds, 2 titles"):
        marked_html("ab", backgrounds=[None])
    with pytest.raises(ValueError, match="2 symbols, 2 backgrounds, 3 titles"):
        marked_html("ab", titles=["x"] * 3)
    for arguments in (([b"a"],), ([None],), (["a"], [0.5]), (["a"], None, [0.5])):
        with pytest.raises(ValueError, match="Received: one of <class"):
            marked_html(*arguments)


def numbers(colour):
    red, green, blue, opacity = map(float, re.findall(r"[\d.]+", colour))
    return np.array([red, green, blue]), opacity


def test_confidence_goes_from_orange_to_blue():
    colours = np.array([numbers(confidence_colour(p / 50))[0] for p in range(51)])
    assert colours[0, 0] > 200 > colours[0, 1] > colours[0, 2]
    assert colours[-1, 2] > colours[-1, 1] > colours[-1, 0]
    # Blue against yellow is what red-green-blind eyes see as others do.
    assert (np.diff(colours[:, 2] - colours[:, :2].mean(-1)) > 0).all()
    marked_html(["x"] * 2, [confidence_colour(np.float32(0.3)), confidence_colour(1)])


def luminance(colour):
    c = np.asarray(colour) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


@pytest.mark.parametrize(
    "page, text", [((255, 255, 255), (49, 51, 63)), ((14, 17, 23), (250, 250, 250))]
)  # Streamlit's themes
def test_text_is_readable_on_every_background_and_theme(page, text):
    """WCAG 2 asks for a contrast of 4.5."""
    colours = [confidence_colour(p / 50) for p in range(51)]
    colours += [translucent(colour) for colour in step_colours(np.arange(101), 100)]
    colours += [doubt_colour(bits / 10, 5.0) for bits in range(51)]
    for colour, opacity in map(numbers, colours):
        behind = luminance(opacity * colour + (1 - opacity) * np.array(page))
        light, dark = max(behind, luminance(text)), min(behind, luminance(text))
        assert (light + 0.05) / (dark + 0.05) >= 4.5


@pytest.mark.parametrize("probability", [-0.01, 1.01, float("nan"), None, "x"])
def test_no_probability_is_refused(probability):
    with pytest.raises(ValueError, match="Received: probability="):
        confidence_colour(probability)


@pytest.mark.parametrize("colour", [(1, 2), (0.5, 0.5, 0.5), (0, 0, 256), (-1, 0, 0), [[1, 2, 3]]])
def test_no_colour_is_refused(colour):
    with pytest.raises(ValueError, match="Received: colour of shape"):
        translucent(colour)


def test_doubt_grows_from_nothing():
    opacities = [numbers(doubt_colour(bits / 10, 2.0))[1] for bits in range(21)]
    assert opacities[0] == 0 and (np.diff(opacities) > 0).all()
    assert doubt_colour(2.1, 2.0) == doubt_colour(2.0, 2.0) == confidence_colour(0.0)
    for strength in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="Received: strength="):
            translucent((1, 2, 3), strength)


@pytest.mark.parametrize("tokenizer", [ByteTokenizer(), CharacterTokenizer("né日本🎭 x\n")])
def test_symbols_are_the_text_with_one_for_each_token(tokenizer):
    text = "né 日本\n🎭x"
    tokens = tokenizer.encode(text)
    symbols = token_symbols(tokens, tokenizer)
    assert len(symbols) == len(tokens) and "".join(symbols) == text
    for position in range(len(tokens)):  # a mask does no harm to the characters beside it
        masked = np.where(np.arange(len(tokens)) == position, tokenizer.mask_token, tokens)
        symbols = token_symbols(masked, tokenizer, "·")
        assert len(symbols) == len(tokens) and symbols[position] == "·"
        others = {*text, "\ufffd", "", "·"}
        assert set(symbols) <= others
    assert token_symbols([], tokenizer) == []


def test_bytes_that_form_no_character_are_shown_as_damage():
    assert token_symbols([195, 97, 128, 240, 159], ByteTokenizer()) == [
        "\ufffd",
        "a",
        *["\ufffd"] * 3,
    ]


def test_candidates_are_named():
    found = Candidates(
        positions=np.array([0, 4]),
        probability=np.array([0.5, 0.25]),
        values=np.array([[97, 32, 10], [195, 37, 0]]),
        probabilities=np.array([[0.624, 0.37, 0.006], [1.0, 0.0, 0.0]]),
    )
    first, second = candidate_titles(found, ByteTokenizer())
    assert first == "a 62 %, space 37 %, new line below 1 %"
    assert second == "token 195 100 %, % 0 %, \x00 0 %"


def test_symbols_of_word_pieces_are_their_text():
    corpus = "the cat naïve 日本 🙂🙃🙂🙃 and “quotes” " * 20
    tokenizer = BytePairTokenizer.train([corpus], 330)
    for text in ("the cat", "naïve 日本 ​語", "🙂🙃🙂🙃🎭 “x”", corpus):
        tokens = tokenizer.encode(text)
        symbols = token_symbols(tokens, tokenizer)
        assert len(symbols) == len(tokens) and "".join(symbols) == text
        for position in range(min(20, len(tokens))):
            masked = np.where(np.arange(len(tokens)) == position, tokenizer.mask_token, tokens)
            symbols = token_symbols(masked, tokenizer, "·")
            assert len(symbols) == len(tokens) and symbols[position] == "·"
    assert " the" in token_symbols(tokenizer.encode("cat the the"), tokenizer)
    ended = [*tokenizer.encode("cat"), tokenizer.end_token_id, *tokenizer.encode("the")]
    assert token_symbols(ended, tokenizer)[-2:] == ["<|endoftext|>", "the"]


def test_candidates_of_word_pieces_show_their_spaces():
    tokenizer = BytePairTokenizer.train(["the cat the cat the cat"], 262)
    (cat,) = tokenizer.encode(" cat")
    values = np.array([[cat, tokenizer.encode(" ")[0], tokenizer.end_token_id]])
    found = Candidates(np.array([0]), np.array([0.5]), values, np.array([[0.5, 0.3, 0.2]]))
    assert candidate_titles(found, tokenizer) == ["␣cat 50 %, space 30 %, <|endoftext|> 20 %"]
