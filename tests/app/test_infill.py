"""The page that fills gaps in a text."""

import re

import keras
import pytest

import md4keras
from md4keras.tokenizers import CharacterTokenizer

pytestmark = pytest.mark.one_backend

LENGTH = 32  # of the tiny model


@pytest.fixture
def page(open_page, text_folder):
    page = open_page("infill", text_folder)
    page.slider(key="infill_steps").set_value(3)
    page.slider(key="infill_number").set_value(2)
    return page


def write(page, text):
    page.text_area[0].set_value(text)
    return fill(page)


def fill(page, button="infill_gaps"):
    page.button(key=button).click().run()
    assert not page.exception
    return page


def shown(page):
    return [html for html in page.get("html") if "<span" in html.proto.body]


def texts(page):
    """The alternatives, as text."""
    bodies = [html.proto.body for html in page.get("html")]
    _, *alternatives = [body for body in bodies if "<span" in body]  # the first is the legend
    return ["".join(re.findall(r"<span[^>]*>([^<]*)</span>", body)) for body in alternatives]


def test_the_example_is_filled_and_the_given_characters_stay(page):
    typed = page.text_area[0].value
    assert "_" in typed and len(typed) <= LENGTH
    found = texts(fill(page))
    assert len(found) == 2 and found[0] != found[1]
    assert all(re.fullmatch(typed.replace("_", "[ a-z]"), text) for text in found)
    assert not page.error and not page.warning
    assert any("likeliest" in c.value for c in page.caption)
    assert any("likely on average" in c.value for c in page.caption)


def test_filled_characters_alone_have_colours_and_candidates(page):
    write(page, "the __ sat")
    body = next(each for each in (h.proto.body for h in page.get("html")) if "title=" in each)
    assert body.count("background-color: rgba(") == 2
    titles = re.findall(r'title="([^"]*)"', body)
    assert len(titles) == 2 and all(title.count(" %") == 5 for title in titles)


def test_settings_change_the_result_and_it_survives_other_widgets(page):
    first = texts(write(page, "[mask 20]"))
    page.toggle(key="infill_replace").set_value(False).run()
    assert texts(page) == first and not page.warning
    page.number_input(key="infill_seed").set_value(7)
    page.selectbox(key="infill_sampler").set_value("event")
    page.slider(key="infill_number").set_value(4)
    other = texts(fill(page))
    assert len(other) == 4 and other[:2] != first
    assert len({len(text) for text in [*first, *other]}) == 1


def test_clicked_words_are_replaced(page):
    page.text_area[1].set_value("a cat sat").run()
    pills = page.button_group[0]
    assert pills.options == ["a", "cat", "sat"]
    pills.set_value([1])
    found = texts(fill(page, "infill_clicked"))
    assert all(re.fullmatch("a [ a-z]{3} sat", text) for text in found)


@pytest.mark.parametrize("text", ["", "   "])
def test_no_word_to_click_is_said(text, page):
    page.text_area[1].set_value(text)
    assert "Type some words" in fill(page, "infill_clicked").info[0].value


def test_no_clicked_word_is_said(page):
    page.button_group[0].set_value([])
    fill(page, "infill_clicked")
    assert "Click the words" in page.info[0].value and not shown(page)


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "no text"),
        ("nothing is missing", "nothing to fill"),
        ("a [mask 0]", "cannot be filled"),
        (f"[mask {10**8}]", "too many"),
        ("[mask 20001]", "too many"),
        ("Grüße, 12!", "Grüße, 12!"),  # as it was typed, not as it was adapted
    ],
)
def test_what_cannot_be_filled_is_refused_in_the_page(text, message, page):
    write(page, text)
    assert message in page.error[0].value.replace("\\", "") and not shown(page)


def test_a_long_text_is_filled_in_windows_and_nothing_is_cut(page):
    found = texts(write(page, "a ____ " + "b" * LENGTH + " __ " + "c" * LENGTH))
    pattern = rf"a [ a-z]{{4}} b{{{LENGTH}}} [ a-z]{{2}} c{{{LENGTH}}}"
    assert all(re.fullmatch(pattern, text) for text in found) and not page.error
    told = next(c.value for c in page.caption if "windows" in c.value)
    assert "75 tokens" in told and f"{LENGTH} at a time" in told and "2 windows" in told


def test_all_words_of_a_long_text_are_there_to_click(page):
    page.text_area[1].set_value("word " * 20).run()
    assert len(page.button_group[0].options) == 20
    page.button_group[0].set_value([0, 19])
    found = texts(fill(page, "infill_clicked"))
    assert all(re.fullmatch("[ a-z]{4}( word){18} [ a-z]{4} ?", text) for text in found)


def test_a_result_is_marked_when_the_text_changes(page):
    write(page, "the __ sat")
    assert not page.warning
    page.text_area[1].set_value("of the other way to mark").run()
    assert not page.warning
    page.text_area[0].set_value("the __ stood").run()
    assert "the **text** changed" in page.warning[0].value and shown(page)
    assert not fill(page).warning


def test_unknown_characters_are_replaced_or_refused(page):
    found = texts(write(page, "Grün, ___!"))
    assert all(re.fullmatch("grun  [ a-z]{3} ", text) for text in found)
    assert "'G' by 'g'" in page.text[0].value and "'ü' by 'u'" in page.text[0].value
    page.toggle(key="infill_replace").set_value(False)
    fill(page)
    assert "'G' at position 0" in page.error[0].value
    page.text_area[1].set_value("a_b")
    assert any(r"'\_' at position 1" in e.value for e in fill(page, "infill_clicked").error)


def test_sessions_have_their_own_results(page, open_page, text_folder):
    assert texts(fill(page))
    assert not shown(open_page("infill", text_folder))


def test_a_text_ends_before_its_end_token(open_page, tmp_path):
    keras.utils.set_random_seed(0)
    tokenizer = CharacterTokenizer("ab", end_token=True)
    model = md4keras.MD4(md4keras.networks.Transformer(3, 32, 1, 2, 8))  # new: all are as likely
    model.tokenizer = tokenizer
    md4keras.save_model(model, tmp_path / "ends" / "model")
    page = open_page("infill", tmp_path)
    page.slider(key="infill_steps").set_value(3)
    write(page, "ab[mask 30]")
    found = texts(page)
    assert len(found) == 3
    assert all(re.fullmatch("ab[ab]*", text) and len(text) < 32 for text in found)
    assert any("endoftext" in h.proto.body for h in page.get("html"))  # among the candidates


def test_models_of_images_are_not_offered(open_page, image_folder):
    assert "no text model" in open_page("infill", image_folder).info[0].value
