"""The page that runs several samplers or models with one seed."""

import re
import shutil

import pytest

from md4keras import MD4, networks, samplers, save_model, tokenizers
from md4keras.evaluation import variety

pytestmark = pytest.mark.one_backend

STEPS = 2


def compare(page):
    page.slider(key="compare_number").set_value(4)
    page.slider(key="compare_steps").set_value(STEPS)
    page.button(key="compare_start").click().run()
    assert not page.exception and not page.error
    return page


def table(page):
    """A row for each run, as text."""
    rows = page.table[0].value.set_index("").T
    return rows.rename(index=lambda name: name.replace("\\", ""))


def number(text):
    return float(re.match(r"[0-9.]+", text)[0])


@pytest.fixture(scope="module")
def all_folder(tmp_path_factory, digits_folder, image_folder, text_folder):
    """Two models of images, with other numbers of classes, and one of texts."""
    folder = tmp_path_factory.mktemp("all")
    for source in (digits_folder, image_folder, text_folder):
        shutil.copytree(source, folder, dirs_exist_ok=True)
    return folder


@pytest.fixture
def images(open_page, image_folder):
    return open_page("compare", image_folder)


def test_samplers_of_an_image_model(images):
    assert "press **Compare**" in images.info[0].value
    images.multiselect(key="compare_samplers_image/model").set_value(["ancestral", "confidence"])
    compare(images)
    rows = table(images)
    assert list(rows.index) == ["ancestral", "confidence"]
    assert (rows["Network calls"] == str(STEPS)).all()
    assert (rows["Seconds"].map(number) >= 0).all() and (rows["Compilation"].map(number) >= 0).all()
    assert rows["Bits per dimension"].map(number).between(0, 40).all()
    assert rows["Bits per dimension"].str.contains("±").all()
    assert rows["Distinct"].map(number).between(25, 100).all()
    assert rows["Entropy"].map(number).between(0, 4.1).all()
    assert len(images.get("image")) == 2
    assert [each.value for each in images.text] == ["ancestral", "confidence"]


def test_a_seed_gives_the_same_figures_again(images):
    images.multiselect(key="compare_samplers_image/model").set_value(["event"])
    figures = ["Network calls", "Bits per dimension", "Distinct", "Entropy"]
    images.toggle(key="compare_keep_seed").set_value(True)
    first = table(compare(images))[figures]
    assert first.equals(table(compare(images))[figures])
    images.number_input(key="compare_seed").set_value(5)
    assert not first.equals(table(compare(images))[figures])


def test_nothing_chosen_is_told(images):
    images.multiselect(key="compare_samplers_image/model").set_value([]).run()
    assert not images.exception
    assert "Choose at least one" in images.info[0].value
    assert images.button(key="compare_start").disabled


def test_every_control_and_column_explains_itself(images):
    kinds = (images.radio, images.slider, images.selectbox, images.multiselect)
    kinds += (images.number_input, images.button)
    assert all(each.help for widgets in kinds for each in widgets)
    images.multiselect(key="compare_samplers_image/model").set_value(["event"])
    compare(images)
    explained = "".join(each.value for each in images.markdown)
    assert all(f"**{name}**: " in explained for name in table(images).columns)


def test_samplers_of_a_text_model(open_page, text_folder):
    page = open_page("compare", text_folder)
    page.multiselect(key="compare_samplers_text/model").set_value(["event"])
    compare(page)
    assert list(table(page).index) == ["event"]
    assert len(page.code[0].value.split("\n\n")) == 4


def test_figures_of_texts_are_those_until_their_end(open_page, tmp_path):
    model = MD4(networks.Transformer(4, 16, num_layers=1, num_heads=2, feature_dim=8))
    model.tokenizer = tokenizers.CharacterTokenizer("abc", end_token=True)
    save_model(model, tmp_path / "text")
    page = open_page("compare", tmp_path)
    page.multiselect(key="compare_samplers_text").set_value(["ancestral"])
    page.number_input(key="compare_seed").set_value(5)
    rows = table(compare(page))
    drawn = model.generate(4, num_steps=STEPS, seed=5)
    texts = tokenizers.until_end(model.tokenizer, drawn)
    assert min(map(len, texts)) < 16
    entropy = number(rows["Entropy"].iloc[0])
    assert entropy == pytest.approx(variety.token_entropy(texts), abs=0.006)
    # (The element takes line ends off its ends, where empty texts stand.)
    assert page.code[0].value.split() == "\n\n".join(model.tokenizer.decode(drawn)).split()


def test_models_of_one_kind_of_data(open_page, all_folder):
    page = open_page("compare", all_folder)
    page.radio(key="compare_way").set_value("Models").run()
    assert not page.exception
    chosen = page.multiselect(key="compare_models_digits/model")
    assert chosen.value == ["digits/model", "image/model"]
    titles = [option.partition(",")[0] for option in chosen.options]
    assert titles == ["Digits: U-Net", "Image: U-Net"]
    compare(page)
    assert list(table(page).index) == chosen.options
    assert len(page.get("image")) == 2


def test_two_models_of_texts(open_page, text_folder, tmp_path):
    for name in ("one", "other"):
        shutil.copytree(text_folder / "text" / "model", tmp_path / name)
    page = open_page("compare", tmp_path)
    page.radio(key="compare_way").set_value("Models").run()
    compare(page)
    rows = table(page)
    assert [title.partition(":")[0] for title in rows.index] == ["One", "Other"]
    assert rows["Bits per dimension"].map(number).between(0, 40).all()
    one, other = (code.value for code in page.code)
    assert one == other and len(one.split("\n\n")) == 4  # the same model and seed
    assert not page.get("progress")


def test_models_that_go_away_meanwhile_are_told(open_page, text_folder, tmp_path):
    for name in ("one", "other"):
        shutil.copytree(text_folder / "text" / "model", tmp_path / name)
    page = open_page("compare", tmp_path)
    page.radio(key="compare_way").set_value("Models").run()
    page.multiselect(key="compare_models_one").set_value(["one", "other"]).run()
    shutil.rmtree(tmp_path / "other")
    page.run()
    assert not page.exception and "'other'" in page.warning[0].value
    assert page.multiselect(key="compare_models_one").value == ["one"]
    (tmp_path / "one").rename(tmp_path / "new")
    page.run()
    assert not page.exception and page.sidebar.selectbox[0].value == "new"


def test_one_model_alone_is_told(open_page, text_folder):
    page = open_page("compare", text_folder)
    page.radio(key="compare_way").set_value("Models").run()
    assert not page.exception
    assert any("one model of this kind" in caption.value for caption in page.caption)


def test_what_is_refused_leaves_the_others(images, monkeypatch):
    sample_steps = MD4.sample_steps

    def refuse(self, num_samples, labels, sampler, **arguments):
        if isinstance(sampler, samplers.Event):
            raise ValueError("This sampler is not for this schedule.")
        return sample_steps(self, num_samples, labels, sampler=sampler, **arguments)

    monkeypatch.setattr(MD4, "sample_steps", refuse)
    images.multiselect(key="compare_samplers_image/model").set_value(["event", "ancestral"])
    images.slider(key="compare_number").set_value(4)
    images.slider(key="compare_steps").set_value(STEPS)
    images.button(key="compare_start").click().run()
    assert not images.exception
    assert "not for this schedule" in images.error[0].value
    assert list(table(images).index) == ["ancestral"]
