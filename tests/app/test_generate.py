"""Samples: the same seed, the same picture; results that are kept and restored."""

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
    assert "3 network calls" in first["run"].describe() or "4 network" in first["run"].describe()
    assert {"download_PNG", "download_GIF", "download_NPZ"} <= {
        b.key for b in app.get("download_button")
    }


def test_controls_are_followed_and_restored(open_page, digits_folder):
    app = open_page("generate", digits_folder)
    app.slider(key="gen_number").set_value(4)
    app.slider(key="gen_steps").set_value(2)
    app.selectbox(key="gen_label").select(7)
    app.selectbox(key="gen_sampler").select("event")
    app.slider(key="gen_temperature").set_value(0.5)
    generate(app)
    assert results(app)[0]["run"].tokens.shape == (4, 8, 8, 1)
    app.slider(key="gen_number").set_value(2)
    app.selectbox(key="gen_sampler").select("confidence")
    generate(app)
    app.button(key="restore_1").click().run()
    assert app.slider(key="gen_number").value == 4
    assert app.selectbox(key="gen_sampler").value == "event"
    assert app.selectbox(key="gen_label").value == 7
    generate(app)
    assert results(app)[0]["png"] == results(app)[2]["png"]


def test_text_is_shown_line_by_line(open_page, text_folder):
    app = open_page("generate", text_folder)
    app.slider(key="gen_number").set_value(3)
    app.slider(key="gen_steps").set_value(2)
    generate(app)
    assert [code.value for code in app.code] == results(app)[0]["lines"]
    assert len(app.code) == 3 and app.slider(key="gen_guidance").disabled
