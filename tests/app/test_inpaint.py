"""The page that fills masked parts of images."""

import io
import re

import keras
import numpy as np
import pytest
import streamlit as st
from PIL import Image

import md4keras
from md4keras import data
from md4keras.networks import UNet

pytestmark = pytest.mark.one_backend

STEPS = 2


def paint(page, pixels):
    """As the browser does on the picture that is shown, the newest here."""
    masks = page.session_state["inpaint_painted"]
    masks[list(masks)[-1]] = pixels
    return page.run()


def encoded(image, form="PNG", **keywords):
    stream = io.BytesIO()
    image.save(stream, format=form, **keywords)
    return stream.getvalue()


def choose(page, key, value):
    page.radio(key=key).set_value(value).run()
    return clean(page)


def clean(page):
    assert not page.exception
    return page


def inpaint(page, completions=2):
    page.slider(key="inpaint_completions").set_value(completions)
    page.slider(key="inpaint_steps").set_value(STEPS)
    page.button(key="inpaint_start").click().run()
    assert not page.exception and not page.error
    return page


def upload(page, content, name="a.png"):
    page.file_uploader(key="inpaint_upload").set_value((name, content, "image/png")).run()
    return clean(page)


def captions(page):
    return [caption.value for caption in page.caption]


@pytest.fixture
def page(open_page, digits_folder):
    return open_page("inpaint", digits_folder)


def test_begins_with_a_canvas_and_an_empty_mask(page):
    assert not page.error
    assert "Nothing is masked yet" in page.info[0].value
    assert page.button(key="inpaint_start").disabled
    _, labels = data.digits().validation
    assert page.selectbox(key="inpaint_label_digits/model_0").value == labels[0]


def test_every_control_explains_itself(page):
    for kind in ("Rectangle", "Half", "Random pixels", "Paint"):
        choose(page, "inpaint_mask_1", kind)
        kinds = (page.radio, page.slider, page.selectbox, page.number_input, page.button)
        assert all(each.help for widgets in kinds for each in widgets)


def test_what_is_painted_is_completed(page):
    paint(page, [0, 9, 63])
    inpaint(page.run(), completions=3)
    names = ["original", "masked", "completion 1", "completion 2", "completion 3"]
    assert page.get("image")[-1].captions == names
    assert any("61 of 61 given values stayed" in caption for caption in captions(page))
    assert any("network calls" in caption for caption in captions(page))
    bits, error = map(float, re.fullmatch(r"(.*) ± (.*)", page.metric[0].value).groups())
    assert bits == pytest.approx(np.log2(17), abs=0.01 + 4 * error)  # the network knows nothing
    result = page.session_state["inpaint_result"].content
    with Image.open(io.BytesIO(result["png"])) as png:
        assert png.format == "PNG" and png.width > png.height > 8 * 8


def test_the_result_is_marked_when_the_picture_changes_and_the_mask_is_its_own(page):
    paint(page, [5])
    inpaint(page.run())
    shown = page.metric[0].value
    page.number_input(key="inpaint_number").set_value(7).run()
    assert not page.exception and page.metric[0].value == shown
    assert "**picture** and the **mask** and the **class** changed" in page.warning[0].value
    assert page.button(key="inpaint_start").disabled  # nothing is masked in this picture
    label = page.selectbox(key="inpaint_label_digits/model_7").value
    assert label == data.digits().validation[1][7]
    page.number_input(key="inpaint_number").set_value(0).run()
    assert not page.warning and not page.button(key="inpaint_start").disabled


def test_scoring_that_is_stopped_is_not_begun_again_by_itself(page, monkeypatch):
    def leave_the_page(*arguments, **settings):
        yield None, None, 1, 2
        st.stop()  # as a click on Stop does

    paint(page, [5])
    with monkeypatch.context() as patch:
        patch.setattr(md4keras.MD4, "score_steps", leave_the_page)
        inpaint(page.run())
        assert "1 of at most 2" in page.get("progress")[0].proto.text
        assert page.button(key="inpaint_stop").help
    clean(page.run())
    assert not page.metric and any("not scored" in caption for caption in captions(page))
    page.button(key="inpaint_score").click().run()
    assert clean(page).metric and not page.get("progress")


@pytest.mark.parametrize("numbers", [[64], [-1], ["x"], [None], "all", [0.5]])
def test_what_a_browser_sends_is_checked(page, numbers):
    paint(page, numbers)
    clean(page.run())
    assert "pixels that are not there" in page.error[0].value
    assert page.button(key="inpaint_start").disabled


def test_masks_by_numbers(page):
    choose(page, "inpaint_mask_1", "Rectangle")
    for name, value in (("top", 7), ("left", 6), ("height", 3), ("width", 1)):
        page.slider(key=f"inpaint_{name}_8x8").set_value(value)
    inpaint(page.run(), completions=1)
    assert any("63 of 63 given" in caption for caption in captions(page))

    choose(page, "inpaint_mask_1", "Half")
    choose(page, "inpaint_side", "bottom")
    inpaint(page, completions=1)
    assert any("32 of 32 given" in caption for caption in captions(page))
    assert not page.session_state["inpaint_result"].content["truth"][1][:4].any()

    choose(page, "inpaint_mask_1", "Random pixels")
    page.slider(key="inpaint_percent").set_value(100).run()
    inpaint(page, completions=1)
    assert any("0 of 0 given" in caption for caption in captions(page))


def test_an_empty_mask_is_told(page):
    choose(page, "inpaint_mask_1", "Random pixels")
    page.slider(key="inpaint_percent").set_value(0).run()
    assert not page.exception and "Nothing is masked yet" in page.info[0].value
    choose(page, "inpaint_mask_1", "Rectangle")
    page.slider(key="inpaint_height_8x8").set_value(0).run()
    assert not page.exception and "Nothing is masked yet" in page.info[0].value
    assert page.button(key="inpaint_start").disabled


class TestUpload:
    @pytest.fixture
    def page(self, page):
        choose(page, "inpaint_source_2", "Upload")
        assert "Upload an image" in page.info[0].value
        return page

    def test_an_image_of_another_size_and_mode_is_fitted(self, page):
        upload(page, encoded(Image.new("RGBA", (30, 20), (200, 10, 10, 255))))
        assert not page.error
        text = " ".join(captions(page))
        assert "30 x 20 pixels: it is scaled and cropped to 8 x 8" in text
        assert "mode is RGBA" in text and "become 17" in text
        paint(page, [0])
        inpaint(page.run(), completions=1)
        assert page.metric

    def test_an_image_that_fits_is_taken_as_it_is(self, page):
        upload(page, encoded(Image.new("L", (8, 8), 255)))
        assert not page.error
        text = " ".join(captions(page))
        assert "scaled" not in text and "Its mode" not in text

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"no image",
            b'<svg xmlns="http://www.w3.org/2000/svg"/>',
            encoded(Image.effect_noise((64, 64), 50))[:1000],
            encoded(
                Image.new("L", (8, 8)),
                "GIF",
                save_all=True,
                append_images=[Image.new("L", (8, 8), 9)],
            ),
            encoded(Image.new("L", (4001, 4000))),
        ],
        ids=["empty", "text", "svg", "truncated", "animated", "bomb"],
    )
    def test_bad_files_are_refused_with_a_message(self, page, content):
        upload(page, content)
        assert "This image cannot be used" in page.error[0].value
        assert page.button(key="inpaint_start").disabled

    def test_a_file_of_another_kind_is_refused_with_a_message(self, page):
        upload(page, b"<svg/>", "a.svg")
        assert "This image cannot be used" in page.error[0].value
        assert page.button(key="inpaint_start").disabled


def test_colours_have_a_channel_to_mask_and_paths_stay_closed(open_page, tmp_path):
    keras.utils.set_random_seed(0)
    model = md4keras.MD4(UNet(256, (16, 12, 3), num_layers=0, feature_dim=64))
    model.recipe = {"recipe": "digits", "data": "/etc"}  # no path of a saved file is opened
    md4keras.save_model(model, tmp_path / "colour")
    page = open_page("inpaint", tmp_path)
    assert page.radio(key="inpaint_source_1").options == ["Upload"]
    noise = np.random.default_rng(0).integers(0, 256, (16, 12, 3), "uint8")
    upload(page, encoded(Image.fromarray(noise)))
    assert not page.error and page.slider(key="inpaint_brush_16x12").max == 3
    choose(page, "inpaint_mask_3", "One channel")
    choose(page, "inpaint_channel", 1)
    inpaint(page, completions=1)
    tokens, mask, label = page.session_state["inpaint_result"].content["truth"]
    np.testing.assert_array_equal(tokens, noise)
    assert mask[..., 1].all() and not mask[..., (0, 2)].any() and label is None


def test_says_so_where_no_model_draws_images(open_page, text_folder):
    assert "no image model" in open_page("inpaint", text_folder).info[0].value


def test_sessions_do_not_share_what_is_painted(open_page, digits_folder):
    one, other = (open_page("inpaint", digits_folder) for _ in range(2))
    paint(one, [1])
    clean(one.run())
    clean(other.run())
    assert not one.button(key="inpaint_start").disabled
    assert other.button(key="inpaint_start").disabled
