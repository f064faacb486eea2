"""Samples: the same seed, the same picture; results that are kept and restored."""

import shutil

import h5py
import keras
import pytest

from app import sampling
from md4keras import MD4, BlockDiffusion, GenMD4, load_model, save_model
from md4keras.networks import DiT, Transformer
from md4keras.tokenizers import CharacterTokenizer
from tests.saved_folders import resigned

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
    app.number_input(key="gen_seed").set_value(5)
    for _ in range(2):
        generate(app)  # what was typed is kept
    assert app.toggle(key="gen_keep_seed").value
    app.number_input(key="gen_seed").set_value(1)
    generate(app)
    other, second, first = results(app)
    assert first["samples"].png == second["samples"].png != other["samples"].png
    assert "digits/model, 10 samples, each class, ancestral, 3 steps" in first["about"]
    assert {"download_PNG", "download_GIF", "download_NPZ"} <= {
        b.key for b in app.get("download_button")
    }


def test_the_first_seed_may_be_typed_whatever_it_is(open_page, digits_folder):
    app = open_page("generate", digits_folder)
    app.slider(key="gen_steps").set_value(2)
    app.number_input(key="gen_seed").set_value(0)
    for _ in range(2):
        generate(app)
        assert app.number_input(key="gen_seed").value == 0 and app.toggle(key="gen_keep_seed").value
    app.number_input(key="gen_seed").set_value(None)  # emptied: a new one
    assert generate(app).number_input(key="gen_seed").value is not None


def test_a_model_that_draws_in_blocks(open_page, tmp_path):
    model = BlockDiffusion(DiT(5, 8, num_layers=0, num_heads=2, hidden_dim=8), block_size=4)
    model.tokenizer = CharacterTokenizer("abcde")
    save_model(model, tmp_path / "model")
    app = open_page("generate", tmp_path)
    app.slider(key="gen_steps").set_value(2)
    assert not generate(app).error and results(app)


def test_each_run_is_a_new_draw_until_the_seed_is_kept(open_page, digits_folder):
    app = open_page("generate", digits_folder)
    app.slider(key="gen_steps").set_value(2)
    seeds = []
    for keep in (False, False, True, True, False):
        app.toggle(key="gen_keep_seed").set_value(keep).run()
        seeds.append(generate(app).number_input(key="gen_seed").value)
        assert f"seed {seeds[-1]}:" in results(app)[0]["about"]
    assert seeds[1] == seeds[2] == seeds[3] and len(set(seeds)) == 3
    assert results(app)[1]["samples"].png == results(app)[2]["samples"].png


def test_a_result_is_marked_when_the_settings_change_and_goes_with_its_model(open_page, two_models):
    app = open_page("generate", two_models)
    app.slider(key="gen_steps").set_value(2)
    assert not generate(app).warning
    app.slider(key="gen_steps").set_value(3).run()
    assert "**settings** changed" in app.warning[0].value
    app.slider(key="gen_number").set_value(3).run()
    assert "**number** and the **settings**" in app.warning[0].value
    assert not generate(app).warning
    app.sidebar.selectbox[0].select("image/model").run()
    assert not app.warning and "Press **Generate**" in app.info[0].value
    assert len([b for b in app.button if b.label.startswith("Restore")]) == 2


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
    assert results(app)[0]["samples"].png == results(app)[2]["samples"].png


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
    assert [code.value for code in app.code] == results(app)[0]["samples"].lines
    assert len(app.code) == 3 and app.slider(key="gen_guidance").disabled


def test_other_numbers_of_samples_draw_the_same_first_ones(
    open_page, image_folder, tmp_path, monkeypatch
):
    """Fewer sizes are compiled, and none of the rows that fill them up is seen."""
    compiled = []
    network_logits = MD4.network_logits

    def watched(self, zt, *arguments, **where):
        compiled.append(len(zt))
        return network_logits(self, zt, *arguments, **where)

    monkeypatch.setattr(MD4, "network_logits", watched)
    shutil.copytree(image_folder, tmp_path, dirs_exist_ok=True)  # a model that was not run before
    app = open_page("generate", tmp_path)
    app.slider(key="gen_steps").set_value(2)
    app.toggle(key="gen_keep_seed").set_value(True)
    for count in (5, 7, 8):
        app.slider(key="gen_number").set_value(count)
        generate(app)
    drawn = [result["tokens"] for result in results(app)]
    assert [len(tokens) for tokens in drawn] == [8, 7, 5] and len(set(compiled)) < 3
    assert (drawn[0][:7] == drawn[1]).all() and (drawn[1][:5] == drawn[2]).all()


def test_what_is_refused_leaves_no_progress_bar(open_page, image_folder, monkeypatch):
    monkeypatch.setattr(sampling, "MOST_BYTES", 100)
    app = open_page("generate", image_folder)
    generate(app)
    assert "Expected at most" in app.error[0].value
    assert not app.get("progress") and "stop" not in [button.key for button in app.button]


class TestWhatAModelDoesNotHave:
    """Kept settings may be of another model, or of one that was trained anew under its name."""

    @pytest.fixture
    def app(self, open_page, image_folder):
        return open_page("generate", image_folder)

    def test_class_in_the_session(self, open_page, image_folder):
        app = open_page("models", image_folder)
        app.session_state["gen_label_image/model"] = 9
        app.switch_page("views/generate.py").run()
        assert not app.exception and "no class 9" in app.warning[0].value
        assert app.selectbox(key="gen_label_image/model").value == -1
        assert not app.run().warning

    def test_class_and_sampler_in_the_gallery(self, app):
        app.slider(key="gen_steps").set_value(2)
        for _ in range(2):
            generate(app)
        controls = results(app)[1]["settings"]["controls"]
        controls |= {"gen_label_image/model": 9, "gen_sampler": "unheard-of"}
        app.button(key="restore_1").click().run()
        told = [warning.value for warning in app.warning]
        assert not app.exception and sum("is set anew" in each for each in told) == 2
        assert app.selectbox(key="gen_sampler").value == "ancestral"
        generate(app)

    def test_class_in_the_library(self, image_folder):
        model = load_model(image_folder / "image" / "model")
        with pytest.raises(ValueError, match="`labels` cannot be used.*from 9 to 9"):
            model.generate(1, labels=9)


def test_a_sampler_does_not_follow_to_a_model_without_it(open_page, text_folder, tmp_path):
    shutil.copytree(text_folder, tmp_path, dirs_exist_ok=True)
    keras.utils.set_random_seed(0)
    network = Transformer(27, 32, num_layers=1, num_heads=2, feature_dim=8)
    model = GenMD4(network)
    model.tokenizer = CharacterTokenizer()
    save_model(model, tmp_path / "general")
    app = open_page("generate", tmp_path)
    app.sidebar.selectbox[0].select("text/model").run()
    app.selectbox(key="gen_sampler").select("event").run()
    app.sidebar.selectbox[0].select("general").run()
    assert not app.exception
    app.slider(key="gen_steps").set_value(2)
    assert generate(app).code


def test_presets_draw_where_the_folder_is_empty(open_page, presets, tmp_path):
    app = open_page("generate", tmp_path)
    assert app.sidebar.selectbox[0].options[0].startswith("Digits")
    app.sidebar.selectbox[0].select("pydoc").run()
    app.slider(key="gen_steps").set_value(4)
    assert generate(app).code


def test_weights_that_are_damaged_are_told_in_the_page(open_page, text_folder, tmp_path):
    shutil.copytree(text_folder, tmp_path, dirs_exist_ok=True)
    folder = tmp_path / "text" / "model"
    (weights,) = folder.glob("*.weights.h5")
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    assert "not the file that was saved" in open_page("models", tmp_path).warning[0].value
    resigned(weights.parent)
    assert "no HDF5 file" in open_page("models", tmp_path).warning[0].value.replace("\\", "")
    assert "no model" in open_page("generate", tmp_path).info[0].value


def test_weights_that_lack_an_array_are_told_in_the_page(open_page, text_folder, tmp_path):
    shutil.copytree(text_folder, tmp_path, dirs_exist_ok=True)
    (weights,) = (tmp_path / "text" / "model").glob("*.weights.h5")
    with h5py.File(weights, "r+") as file:  # as many numbers as before, not where they belong
        names = []
        file.visit(names.append)
        file.move(next(name for name in names if name.endswith("vars/0")), "elsewhere")
    resigned(weights.parent)
    for page in ("models", "generate"):
        app = open_page(page, tmp_path)
        assert "cannot be loaded" in app.error[0].value and not app.button
