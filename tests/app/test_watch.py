"""The page that shows the reverse process step by step."""

import shutil

import pytest

pytestmark = pytest.mark.one_backend

STEPS = 4


def run(page):
    page.slider(key="watch_steps").set_value(STEPS)
    page.button(key="watch_run").click().run()
    assert not page.exception and not page.error
    return page


@pytest.fixture
def texts(open_page, text_folder):
    page = open_page("watch", text_folder)
    page.slider(key="watch_number_5").set_value(1)
    return run(page)


@pytest.fixture
def images(open_page, image_folder):
    page = open_page("watch", image_folder)
    page.slider(key="watch_number_16").set_value(3)
    return run(page)


def move(page, step):
    page.slider(key="watch_state").set_value(step).run()
    assert not page.exception
    return page


def masks(page):
    """What the page says of the masks that are left."""
    return next(c.value for c in page.caption if "masks left" in c.value).partition(" masks")[0]


def texts_of(page):
    return [html for html in page.get("html") if "<span" in html.proto.body]


def button(page, label):
    return next((each for each in page.button if each.label == label), None)


def test_says_what_to_do_before_the_first_run(open_page, image_folder):
    assert "press **Run**" in open_page("watch", image_folder).info[0].value


def test_images_from_all_masked_to_none(images):
    assert images.slider(key="watch_state").value == images.slider(key="watch_state").max == STEPS
    assert masks(images) == "**0 of 48"
    assert masks(move(images, 0)) == "**48 of 48"
    assert len(images.get("image")) == 5  # state, steps and entropy; two scales
    images.toggle(key="watch_entropy").set_value(False).run()
    assert len(images.get("image")) == 3
    assert any(f"{STEPS} network calls" in c.value for c in images.caption)


def test_texts_are_coloured_by_step_and_entropy(texts):
    def bodies(step):
        found = [html.proto.body for html in move(texts, step).get("html")]
        return [body for body in found if "<span" in body]

    state, legend, doubt, doubt_legend = bodies(0)
    assert state.count("·") == 32 and "rgba" not in state
    assert doubt.count(" bits") == 32 and "rgba" in legend and "rgba" in doubt_legend
    state, _, doubt, _ = bodies(STEPS)
    assert "·" not in state and state.count('title="step ') == 32 and "bits" not in doubt
    state, _, doubt, _ = bodies(2)
    hidden = state.count("·")
    assert masks(texts) == f"**{hidden} of 32"
    assert state.count("rgba") == 32 - hidden and doubt.count("rgba") == hidden
    assert f"step {STEPS}" not in state


@pytest.mark.parametrize("sampler", ["event", "remasking"])
def test_other_samplers_and_a_class(sampler, images):
    images.selectbox(key="watch_sampler").set_value(sampler)
    images.selectbox(key="watch_label_image/model").set_value(2)
    images.number_input(key="watch_seed").set_value(3)
    run(images)
    for step in range(int(images.slider(key="watch_state").max) + 1):
        move(images, step)
    assert masks(images) == "**0 of 48"


def test_plays_to_the_end_and_stops(images):
    button(images, "Play").click().run()
    seen = [images.slider(key="watch_state").value]
    assert button(images, "Pause") and not button(images, "Play")
    while button(images, "Pause"):
        images.run()  # as the browser does, four times a second
        seen.append(images.slider(key="watch_state").value)
    assert not images.exception and seen == [1, 2, 3, 4]
    assert button(images, "Play")


def test_pausing_and_moving_the_slider_end_the_play(images):
    button(images, "Play").click().run()
    button(images, "Pause").click().run()
    assert images.slider(key="watch_state").value == 1 and button(images, "Play")
    button(images, "Play").click().run()
    assert images.slider(key="watch_state").value == 2
    assert button(move(images, 1), "Play") and images.slider(key="watch_state").value == 1


def test_a_run_belongs_to_its_model_and_session(open_page, text_folder, image_folder, tmp_path):
    for folder in (text_folder, image_folder):
        shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    page = run(open_page("watch", tmp_path))
    assert page.get("image")
    page.sidebar.selectbox[0].set_value("text/model").run()
    assert not page.exception and page.info
    assert texts_of(run(page)) and not page.get("image")
    assert not texts_of(open_page("watch", tmp_path))
