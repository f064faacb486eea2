"""The app in a real browser: what a user does, from the first page to a downloaded picture.

Any Chromium or Chrome of the machine is taken. `make screenshots` takes this walk on the demo's
models and writes what it sees to `docs/`.
"""

import io
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.app.browsers import MISSING, find_browser
from tests.app.server import served

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
# One server and one browser for the file: its tests go to one process.
pytestmark = [pytest.mark.one_backend, pytest.mark.xdist_group("browser")]

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
MODELS = os.environ.get("MD4KERAS_APP_MODELS")  # instead of tiny ones
SCREENSHOTS = os.environ.get("MD4KERAS_SCREENSHOTS")
WAIT = 120_000  # milliseconds; a first run compiles
playwright.expect.set_options(timeout=WAIT)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        found = find_browser(driver.chromium.executable_path)
        if found is None:
            pytest.fail(MISSING) if os.environ.get("CI") else pytest.skip(MISSING)
        browser = driver.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def url(tmp_path_factory, text_folder, digits_folder):
    """The app, served on a free port."""
    folder = MODELS
    if not folder:
        folder = tmp_path_factory.mktemp("runs")
        for source in (text_folder, digits_folder):
            shutil.copytree(source, folder, dirs_exist_ok=True)
        shutil.copytree(digits_folder / "digits", folder / "second")  # to compare
    with served(folder, tmp_path_factory.mktemp("log") / "streamlit.log") as address:
        yield address


@pytest.fixture
def page(browser, url):
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.set_default_timeout(WAIT)
    page.goto(f"{url}/models")
    yield page
    page.close()


def open_page(page, name):
    page.get_by_test_id("stSidebar").get_by_role("link", name=name).click()
    playwright.expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
    settle(page)


def settle(page):
    """Waits until the page runs no more; what it then shows is no error."""
    running = page.get_by_test_id("stStatusWidget")
    for _ in range(2):  # a click may take a moment to set the page running
        page.wait_for_timeout(500)
        playwright.expect(running).to_have_count(0)
    assert page.get_by_test_id("stException").count() == 0


def choose_model(page, word):
    page.get_by_test_id("stSidebar").get_by_test_id("stSelectbox").locator("input").click()
    page.get_by_role("option", name=re.compile(word, re.IGNORECASE)).first.click()
    settle(page)


def press(page, name):
    page.get_by_role("button", name=name, exact=True).click()
    settle(page)


def photograph(page, name):
    if SCREENSHOTS:
        page.mouse.move(0, 0)
        page.wait_for_timeout(1500)  # pictures fade in
        settle(page)
        page.screenshot(path=str(Path(SCREENSHOTS) / f"app_{name}.png"))


BUTTONS = {
    "Welcome": "Generate",
    "Models": "Draw samples",
    "Generate": "Generate",
    "Infill text": "Fill the gaps",
    "Inpaint images": "Inpaint",
    "Watch": "Run",
    "Compare": "Compare",
}
# Words that do not fit into their control or button.
CUT = """[...document.querySelectorAll("p, input")]
    .filter((each) => each.clientWidth > 0 && each.getBoundingClientRect().right > 0)
    .filter((each) => each.scrollWidth > each.clientWidth + 1)
    .map((each) => each.value ?? each.textContent)"""


def check_layout(page, name):
    """The button is in the window, nothing is cut, and nothing is scrolled sideways."""
    button = page.get_by_test_id("stMain").get_by_role("button", name=BUTTONS[name], exact=True)
    box, size = button.bounding_box(), page.viewport_size
    assert box["y"] + box["height"] <= size["height"] or size["width"] < 600, name
    assert not page.evaluate(CUT), name
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, name
    for menu in page.get_by_test_id("stMainMenu").all():
        box = menu.bounding_box()
        assert box["x"] + box["width"] <= size["width"], name
    assert page.get_by_text("Deploy").count() == 0


def test_the_first_page_says_what_this_is(browser, url):
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto(url)
    playwright.expect(page.get_by_role("heading", name="md4keras", level=1)).to_be_visible()
    settle(page)
    playwright.expect(page.get_by_test_id("stSidebar").get_by_alt_text("Logo")).to_be_visible()
    picture = page.get_by_test_id("stMain").get_by_role("img").first
    assert picture.bounding_box()["width"] > 300
    photograph(page, "welcome")
    page.close()


def test_every_page_fits_into_a_small_window(page):
    settle(page)
    for name in BUTTONS:
        heading = "md4keras" if name == "Welcome" else name
        page.get_by_test_id("stSidebar").get_by_role("link", name=name).click()
        playwright.expect(page.get_by_role("heading", name=heading, level=1)).to_be_visible()
        settle(page)
        check_layout(page, name)


def test_every_page_fits_on_a_phone_and_the_menu_closes(browser, url):
    page = browser.new_page(viewport={"width": 400, "height": 800}, color_scheme="dark")
    page.set_default_timeout(WAIT)
    page.goto(url)
    playwright.expect(page.get_by_role("heading", name="md4keras", level=1)).to_be_visible()
    settle(page)  # the menu's script is there
    closed = page.get_by_test_id("stExpandSidebarButton")
    for name in list(BUTTONS)[1:]:
        closed.click()
        page.get_by_test_id("stSidebar").get_by_role("link", name=name).click()
        playwright.expect(page.get_by_role("heading", name=name, level=1)).to_be_visible()
        playwright.expect(closed).to_be_visible()
        settle(page)
        check_layout(page, name)
    closed.click()
    choose_model(page, "second|digits")
    playwright.expect(closed).to_be_visible()
    page.close()


def test_a_link_to_a_page_works_on_a_fresh_server(browser, url):
    page = browser.new_page()
    page.goto(f"{url}/inpaint")
    heading = page.get_by_role("heading", name="Inpaint images", level=1)
    playwright.expect(heading).to_be_visible()
    page.close()


def test_models_are_listed_and_one_is_picked(page):
    settle(page)
    playwright.expect(page.get_by_role("heading", name="Models", level=1)).to_be_visible()
    choose_model(page, "text|pydoc")
    playwright.expect(page.get_by_role("heading", name=re.compile("Text|Pydoc"))).to_be_visible()
    choose_model(page, "digits")
    photograph(page, "models")


def test_a_grid_of_digits_is_drawn_and_downloaded(page):
    settle(page)
    choose_model(page, "digits")
    open_page(page, "Generate")
    press(page, "Generate")
    playwright.expect(page.get_by_text(re.compile(r"network calls, \d")).first).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="PNG").click()
    with Image.open(download.value.path()) as picture:
        picture.load()
        assert picture.format == "PNG" and picture.width > 10 * 8
    photograph(page, "generate")


def test_a_long_run_is_stopped(page):
    settle(page)
    choose_model(page, "digits")
    open_page(page, "Generate")
    for name in ("Number", "Steps"):
        page.get_by_role("slider", name=name).focus()
        page.keyboard.press("End")
        settle(page)
    page.get_by_role("button", name="Generate", exact=True).click()
    page.get_by_role("button", name="Stop").click()  # there is one, Streamlit's own is hidden
    settle(page)
    playwright.expect(page.get_by_text("The first run of a kind compiles")).to_be_visible()
    playwright.expect(page.get_by_role("button", name="PNG")).to_have_count(0)  # no result


def test_a_sentence_is_filled_in(page):
    open_page(page, "Infill text")
    press(page, "Fill the gaps")
    first = page.get_by_text("Alternative 1")
    playwright.expect(first).to_be_visible()
    settle(page)
    filled = page.get_by_test_id("stMain").get_by_test_id("stHtml").locator("span[title]")
    assert filled.count() > 0
    assert re.search(r"\d %", filled.first.get_attribute("title"))
    photograph(page, "infill")


def canvas_of(page):
    """The canvas, and where it is in the window."""
    canvas = page.get_by_role("application", name=re.compile("press and drag"))
    canvas.scroll_into_view_if_needed()
    return canvas, canvas.bounding_box()


def expect_masked(page, count):
    playwright.expect(
        page.get_by_text(re.compile(rf"^{count} of \d+ pixels masked"))
    ).to_be_visible()
    settle(page)


def test_pixels_are_masked_with_keys(page):
    settle(page)
    choose_model(page, "digits")
    open_page(page, "Inpaint images")
    canvas, _ = canvas_of(page)
    canvas.focus()
    for count, key in enumerate(("ArrowLeft", "ArrowDown", "ArrowDown"), start=1):
        page.keyboard.press(key)
        playwright.expect(page.get_by_text(re.compile(r"row \d, column 4: not"))).to_be_visible()
        page.keyboard.press(" ")
        expect_masked(page, count)
    page.keyboard.press(" ")  # the same again: unmasked
    expect_masked(page, 2)
    for _ in range(9):  # no further than the border
        page.keyboard.press("ArrowUp")
    playwright.expect(page.get_by_text("row 1, column 4: not masked")).to_be_visible()
    cursor = page.locator(".cursor")
    playwright.expect(cursor).to_be_visible()
    page.get_by_role("button", name="Clear").click()
    expect_masked(page, 0)
    playwright.expect(cursor).to_be_hidden()


def test_pixels_are_masked_by_touch(browser, url):
    context = browser.new_context(viewport={"width": 420, "height": 800}, has_touch=True)
    page = context.new_page()
    page.set_default_timeout(WAIT)
    page.goto(f"{url}/inpaint")
    settle(page)
    _, box = canvas_of(page)
    page.touchscreen.tap(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    expect_masked(page, 1)
    fingers = context.new_cdp_session(page)  # a finger that is drawn over the picture
    row = box["y"] + 0.7 * box["height"]
    for kind, share in (("touchStart", 0.07), ("touchMove", 0.5), ("touchMove", 0.9)):
        point = {"x": box["x"] + share * box["width"], "y": row}
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    expect_masked(page, 9)
    context.close()


def test_an_image_is_painted_and_completed(page):
    settle(page)
    choose_model(page, "digits")
    open_page(page, "Inpaint images")
    canvas, box = canvas_of(page)
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.6 * box["height"], steps=12)
    page.mouse.up()
    settle(page)
    press(page, "Inpaint")
    playwright.expect(page.get_by_text("bit for bit").first).to_be_visible()
    photograph(page, "inpaint")


def test_the_reverse_process_is_watched(page):
    settle(page)
    choose_model(page, "digits")
    open_page(page, "Watch")
    press(page, "Run")
    slider = page.get_by_role("slider", name="State after step")
    playwright.expect(slider).to_be_visible()
    playwright.expect(page.get_by_text(re.compile(r"^0 of .* masks left")).first).to_be_visible()
    last = int(slider.get_attribute("max"))
    slider.focus()
    for key, value in (("Home", 0), ("End", last)):
        page.keyboard.press(key)
        playwright.expect(slider).to_have_value(str(value))
        settle(page)
    for _ in range(last // 4):  # where about half is revealed
        page.keyboard.press("ArrowLeft")
        settle(page)
    assert 0 < int(slider.input_value()) < last
    playwright.expect(page.get_by_text(re.compile(r"^0 of "))).to_have_count(0)
    photograph(page, "watch")


def test_samplers_are_compared(page):
    settle(page)
    choose_model(page, "digits")
    open_page(page, "Compare")
    press(page, "Compare")
    playwright.expect(page.get_by_test_id("stTable").first).to_be_visible()
    photograph(page, "compare")


def test_models_and_texts_are_compared(page):
    settle(page)
    choose_model(page, "digits")
    open_page(page, "Compare")
    page.get_by_test_id("stRadio").get_by_text("Models", exact=True).click()
    settle(page)
    press(page, "Compare")
    table = page.get_by_test_id("stTable").first
    playwright.expect(table).to_be_visible()
    choose_model(page, "text|pydoc")
    press(page, "Compare")
    playwright.expect(page.get_by_test_id("stCode").first).to_be_visible()


def test_a_narrow_dark_window_shows_the_same(browser, url):
    page = browser.new_page(viewport={"width": 420, "height": 800}, color_scheme="dark")
    page.set_default_timeout(WAIT)
    page.goto(f"{url}/generate")
    settle(page)
    press(page, "Generate")
    playwright.expect(page.get_by_text(re.compile(r"network calls, \d")).first).to_be_visible()
    wider = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    assert wider <= 0  # nothing has to be scrolled sideways
    shot = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L"))
    assert np.median(shot) < 100  # dark
    page.close()


def test_two_sessions_keep_to_themselves(browser, url):
    first, second = (browser.new_context().new_page() for _ in range(2))
    for page, model in ((first, "digits"), (second, "text|pydoc")):
        page.set_default_timeout(WAIT)
        page.goto(f"{url}/models")
        settle(page)
        choose_model(page, model)
        open_page(page, "Generate")
    for page in (first, second):
        page.get_by_role("button", name="Generate", exact=True).click()
    for page in (first, second):
        playwright.expect(page.get_by_text(re.compile(r"network calls, \d")).first).to_be_visible()
        settle(page)
    playwright.expect(first.get_by_role("button", name="PNG")).to_have_count(1)
    playwright.expect(second.get_by_role("button", name="PNG")).to_have_count(0)
    first.context.close()
    second.context.close()
