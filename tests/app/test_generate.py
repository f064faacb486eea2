"""Samples: the same seed, the same picture; results that are kept and restored."""

import shutil

import pytest

pytestmark = pytest.mark.one_backend


def generate(app):
    app.button(key="generate").click().run()
    assert not app.exception
    return app


def results(app):
    return app.session_state["gallery"]


def test_the_same_seed_gives_the_same_picture(open_page, digits_folder):
    app = open_page("generate", digits_folder)
    app.slider(key="gen_steps").set_value(3)
    for _ in range(2):
        generate(app)
    app.number_input(key="gen_seed").set_value(1)
    generate(app)
    other, second, first = results(app)
    assert first["png"] == second["png"] != other["png"]
    assert "digits/model, 10 samples, each class, ancestral, 3 steps" in first["about"]
    assert {"download_PNG", "download_GIF", "download_NPZ"} <= {
        b.key for b in app.get("download_button")
    }


def test_controls_are_followed_and_restored(open_page, digits_folder):
    app = open_page("generate", digits_folder)
    app.slider(key="gen_number").set_value(4)
    app.slider(key="gen_steps").set_value(2)
    app.selectbox(key="gen_label_digits/model").select(7)
    app.selectbox(key="gen_sampler").select("event")
    app.slider(key="gen_temperature").set_value(0.5)
    generate(app)
    assert results(app)[0]["tokens"].shape == (4, 8, 8, 1)
    app.slider(key="gen_number").set_value(2)
    app.selectbox(key="gen_sampler").select("confidence")
    generate(app)
    app.button(key="restore_1").click().run()
    assert app.slider(key="gen_number").value == 4
    assert app.selectbox(key="gen_sampler").value == "event"
    assert app.selectbox(key="gen_label_digits/model").value == 7
    generate(app)
    assert results(app)[0]["png"] == results(app)[2]["png"]


@pytest.fixture
def two_models(digits_folder, image_folder, tmp_path):
    for source in (digits_folder, image_folder):
        shutil.copytree(source, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_another_model_is_picked_and_the_first_restored(open_page, two_models):
    """A class that the second model lacks must not follow there."""
    app = open_page("generate", two_models)
    app.slider(key="gen_steps").set_value(2)
    app.selectbox(key="gen_label_digits/model").select(9)
    generate(app)
    app.sidebar.selectbox[0].select("image/model").run()
    generate(app)
    assert [r["tokens"].shape[1:] for r in results(app)] == [(4, 4, 1), (8, 8, 1)]
    app.button(key="restore_1").click().run()
    assert not app.exception and app.sidebar.selectbox[0].value == "digits/model"
    assert app.selectbox(key="gen_label_digits/model").value == 9


def test_text_is_shown_line_by_line(open_page, text_folder):
    app = open_page("generate", text_folder)
    app.slider(key="gen_number").set_value(3)
    app.slider(key="gen_steps").set_value(2)
    generate(app)
    assert [code.value for code in app.code] == results(app)[0]["lines"]
    assert len(app.code) == 3 and app.slider(key="gen_guidance").disabled
