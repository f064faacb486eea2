"""`md4keras evaluate`, `generate`, `infill`, `score`, `models`: results and mistakes."""

import json
import math
import os
import re
import signal
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

import md4keras
from md4keras import cli
from tests.reference import ROOT
from tests.tiny_models import CLASSES, LENGTH, save_image_model, save_text_model

pytestmark = pytest.mark.one_backend

TEXT = "a text of some words that is longer than the windows are"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with two models, a text, images by class, and what is no model."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "own.txt").write_text(TEXT)
    save_text_model(folder / "text" / "model", {"source": "text_files", "data": str(folder)})
    save_image_model(folder / "images")
    generator = np.random.default_rng(0)
    for name in CLASSES:
        (folder / "pictures" / name).mkdir(parents=True)
        for number in range(2):
            pixels = generator.integers(0, 256, (8, 8), dtype="uint8")
            Image.fromarray(pixels).save(folder / "pictures" / name / f"{number}.png")
    left = np.zeros((8, 8), "uint8")
    left[:, :4] = 255
    Image.fromarray(left).save(folder / "left.png")
    return folder


@pytest.fixture
def ask(folder, capsys, monkeypatch):
    """Runs a command in the folder; returns what it prints, as JSON where that was asked for."""
    monkeypatch.chdir(folder)

    def asked(*words, status=0):
        assert cli.main([str(word) for word in words]) == status
        printed = capsys.readouterr()
        if status:
            assert not printed.out
            return printed.err
        return json.loads(printed.out) if "--json" in words else printed.out

    return asked


class TestEvaluate:
    def test_the_figures_are_those_of_score(self, ask, folder):
        found = ask("evaluate", "text", "--data", "own.txt", "--num-draws", "4", "--json")
        model = md4keras.load_model(folder / "text" / "model")
        tokens = model.tokenizer.encode(TEXT)[: len(TEXT) // LENGTH * LENGTH].reshape(-1, LENGTH)
        nats, _ = model.score(tokens, num_samples=4)
        assert found["examples"] == len(tokens) == 3
        assert found["left_out_at_the_end"] == len(TEXT) - tokens.size
        mean = nats.sum() / tokens.size
        np.testing.assert_allclose(found["nats_per_dim"], mean)
        np.testing.assert_allclose(found["bits_per_dim"], mean / math.log(2))
        np.testing.assert_allclose(found["perplexity"], math.exp(mean))
        spread = math.sqrt(((nats - nats.mean()) ** 2).sum() / 2 / 3) / LENGTH
        np.testing.assert_allclose(found["nats_per_dim_error"], spread)
        assert found["bits_per_dim_error"] > 0 and found["dimension"] == "character"

    def test_one_example_has_the_error_of_its_draws(self, ask, folder):
        found = ask("evaluate", "text", "--data", "own.txt", "--limit", "1", "--json")
        model = md4keras.load_model(folder / "text" / "model")
        tokens = model.tokenizer.encode(TEXT)[None, :LENGTH]
        _, (error,) = model.score(tokens, num_samples=16)
        np.testing.assert_allclose(found["nats_per_dim_error"], error / LENGTH)
        assert (found["examples"], found["examples_in_all"]) == (1, 3)

    def test_images_count_by_class_name(self, ask, folder):
        found = ask("evaluate", "images", "--data", "pictures", "--num-draws", "2", "--json")
        model = md4keras.load_model(folder / "images")
        images, labels = md4keras.data.image_folder(
            "pictures", (8, 8, 1), 17, validation_every=None
        ).training
        numbers = [sorted(CLASSES).index(name) for name in CLASSES]  # of the folder
        wanted = np.array([numbers.index(label) for label in labels])
        nats, _ = model.score(images, wanted, num_samples=2)
        np.testing.assert_allclose(found["bits_per_dim"], nats.mean() / 64 / math.log(2))
        assert "perplexity" not in found and found["dimensions"] == 6 * 64

    def test_the_recipe_says_on_what(self, ask, folder):
        (folder / "own" / "docs").mkdir(parents=True)
        (folder / "own" / "docs" / "a.txt").write_text("some words and more " * 40)
        recipe = {"source": "text_files", "data": "own", "read": {"fingerprint": "of before"}}
        save_text_model(folder / "own" / "model", recipe)
        splits = md4keras.data.text_files(folder / "own")
        found = ask("evaluate", "own", "--num-draws", "2", "--json")
        assert found["data"] == "the validation split of own"
        assert found["examples"] == len(splits.validation) // LENGTH
        printed = ask("evaluate", "own", "--num-draws", "2")
        assert re.match(r"\d\.\d{4} \+- \d\.\d{4} bits per character", printed)
        assert "upper bound" in printed and f"{LENGTH} characters" in printed

    def test_data_of_the_training_are_known_where_they_were_moved(self, ask, folder):
        (folder / "then").mkdir()
        (folder / "then" / "a.txt").write_text("some words and more " * 40)
        (folder / "then" / "bad.txt").write_text("")
        splits = md4keras.data.text_files(folder / "then", skip_bad=True)
        recipe = {"source": "text_files", "data": str(folder / "then"), "read": splits.facts}
        save_text_model(folder / "trained", recipe)
        (folder / "then").rename(folder / "moved")
        words = ("evaluate", "trained", "--data", "moved", "--num-draws", "2", "--json")
        found = ask(*words)
        assert found["data"] == "the validation split of moved"
        assert found["examples"] == len(splits.validation) // LENGTH
        (folder / "moved" / "bad.txt").unlink()
        (folder / "moved" / "a.txt").write_text("other words " * 40)
        found = ask(*words)  # other data, all of which are measured
        assert found["data"] == "moved" and found["examples"] == 12 * 40 // LENGTH

    def test_a_bound_that_is_not_finite_gives_no_figure(self, ask, folder):
        model = save_image_model(folder / "bad")
        model.network.set_weights([w * np.nan for w in model.network.get_weights()])
        md4keras.save_model(model, folder / "bad")
        words = ("evaluate", "bad", "--data", "pictures", "--num-draws", "2")
        assert "6 of 6 examples is not finite" in ask(*words, status=2)


class TestGenerate:
    def test_text_is_that_of_the_model(self, ask, folder):
        how = ("--num-samples", "2", "--num-steps", "4", "--seed", "5")
        lines = ask("generate", "text", *how).splitlines()
        model = md4keras.load_model(folder / "text" / "model")
        assert lines == model.tokenizer.decode(model.generate(2, num_steps=4, seed=5))
        found = ask("generate", "text", *how, "--json")
        assert found["text"] == lines and found["seed"] == 5

    def test_a_seed_is_told_and_draws_the_same_again(self, ask):
        how = ("generate", "text", "--num-samples", "2", "--num-steps", "4", "--json")
        first, second = ask(*how), ask(*how)
        assert first["seed"] != second["seed"] and first["text"] != second["text"]
        assert ask(*how, "--seed", first["seed"])["text"] == first["text"]

    @pytest.mark.parametrize("length", [10, 40])
    def test_texts_have_the_length_that_is_asked_for(self, ask, length):
        words = ("generate", "text", "--length", length, "--num-steps", "2", "--num-samples", "2")
        assert [len(line) for line in ask(*words).splitlines()] == [length] * 2

    def test_images_of_named_classes(self, ask, folder, tmp_path):
        out = tmp_path / "tokens.npz"
        words = ("--label", "two,0", "--num-samples", "3", "--num-steps", "4", "--seed", "1")
        assert ask("generate", "images", *words, "--out", out) == f"{out}\n"
        model = md4keras.load_model(folder / "images")
        wanted = model.generate(3, [2, 0, 2], num_steps=4, seed=1)
        np.testing.assert_array_equal(np.load(out)["tokens"], wanted)
        found = ask("generate", "images", *words, "--json")
        assert found["labels"] == [2, 0, 2] and found["tokens"] == wanted.tolist()

    def test_pictures_and_animations(self, ask, tmp_path):
        words = ("generate", "images", "--num-samples", "3", "--num-steps", "4", "--out")
        ask(*words, tmp_path / "a.png")
        ask(*words, tmp_path / "a.gif")
        with Image.open(tmp_path / "a.png") as grid, Image.open(tmp_path / "a.gif") as animation:
            assert grid.size == animation.size == (8 * 28, 8 * 10)
            assert animation.n_frames == 5


class TestInfill:
    def test_what_is_given_stays(self, ask):
        texts = ["a ____ sat", "the [mask 9] of a text that goes on and on for ____ windows"]
        how = ("--num-samples", "2", "--num-steps", "4", "--seed", "3")
        found = ask("infill", "text", *texts, *how, "--json")
        patterns = ["a .{4} sat", "the .{9} of a text that goes on and on for .{4} windows"]
        for pattern, row in zip(patterns, found["results"], strict=True):
            assert len(row["text"]) == 2
            assert all(re.fullmatch(pattern, text) and "_" not in text for text in row["text"])
        lines = [text for row in found["results"] for text in row["text"]]
        assert ask("infill", "text", texts[0], *how, texts[1]).splitlines() == lines

    def test_characters_that_the_model_lacks(self, ask):
        assert "does not know these characters: 'TC'" in ask("infill", "text", "The Ca_", status=2)
        assert ask("infill", "text", "The Ca_", "--replace-unknown").startswith("the ca")

    def test_a_part_of_an_image(self, ask, folder, tmp_path):
        given = folder / "pictures" / "one" / "0.png"
        pixels = md4keras.data.read_image(given, (8, 8, 1), 17)
        how = (
            "infill",
            "images",
            given,
            "--label",
            "one",
            "--num-samples",
            "2",
            "--num-steps",
            "4",
        )
        for where in (("--mask", folder / "left.png"), ("--box", "0,0,8,4")):
            out = tmp_path / "filled.npz"
            ask(*how, *where, "--out", out)
            filled = np.load(out)["tokens"]
            assert filled.shape == (2, 8, 8, 1)
            assert (filled[:, :, 4:] == pixels[:, 4:]).all()
            assert (filled[:, :, :4] != pixels[:, :4]).any()
        ask(*how, *where, "--out", tmp_path / "filled.png")
        with Image.open(tmp_path / "filled.png") as row:
            assert row.size == (8 * 28, 8 * 10)  # the gap and two alternatives


class TestScore:
    def test_texts_of_any_length(self, ask, folder):
        model = md4keras.load_model(folder / "text" / "model")
        texts = ["a cat", TEXT[: LENGTH + 4], "a dog"]
        found = ask("score", "text", *texts, "--num-draws", "4", "--json")["of"]
        encoded = [model.tokenizer.encode(text) for text in texts]
        nats, error = model.score(np.stack([encoded[0], encoded[2]]), num_samples=4)
        for row, x, e in zip((found[0], found[2]), nats, error, strict=True):
            np.testing.assert_allclose(row["bits_per_dim"], x / 5 / math.log(2))
            np.testing.assert_allclose(row["bits_per_dim_error"], e / 5 / math.log(2))
        parts = [model.score(encoded[1][None, i:j], num_samples=4) for i, j in ((0, 16), (16, 20))]
        wanted = sum(float(part[0][0]) for part in parts) / 20 / math.log(2)
        # The seed of a row is its place among those of its length: both are first here.
        np.testing.assert_allclose(found[1]["bits_per_dim"], wanted)
        (folder / "lines.txt").write_text("\n\n".join(texts))
        lines = ask("score", "text", "--data", "lines.txt", "--num-draws", "4", "--json")["of"]
        assert lines == found

    def test_images(self, ask, folder):
        files = [folder / "pictures" / name / "0.png" for name in ("two", "zero")]
        words = ("score", "images", *files, "--label", "two,zero", "--num-draws", "2")
        found = ask(*words, "--json")["of"]
        pixels = np.stack([md4keras.data.read_image(path, (8, 8, 1), 17) for path in files])
        nats, _ = md4keras.load_model(folder / "images").score(pixels, [2, 0], num_samples=2)
        np.testing.assert_allclose([row["nats"] for row in found], nats)
        assert len(ask(*words).splitlines()) == 3


class TestModels:
    def test_all_are_listed_and_why_one_does_not_load(self, ask, folder, tmp_path):
        save_text_model(tmp_path / "good" / "model")
        save_text_model(tmp_path / "half")
        (tmp_path / "half" / "model.weights.h5").write_bytes(b"")
        good, half = ask("models", tmp_path, "--json")
        assert good["samples"] == "text" and good["data_shape"] == [LENGTH] and not good["problem"]
        assert "model.weights.h5" in half["problem"]
        assert "does not load: The saved model is damaged" in ask("models", tmp_path)
        empty = tmp_path / "empty"
        empty.mkdir()
        assert ask("models", empty, "--json") == [] and ask("models", empty) == ""

    def test_without_a_folder_presets_come_first_under_their_names(
        self, ask, tmp_path, monkeypatch
    ):
        monkeypatch.setattr(md4keras.presets, "SHIPPED", tmp_path / "shipped")
        monkeypatch.chdir(tmp_path)
        save_text_model(tmp_path / "shipped" / "words")
        save_text_model(tmp_path / "runs" / "mine" / "model")
        assert [each["name"] for each in ask("models", "--json")] == ["words", "runs/mine/model"]
        assert ask("models").startswith("words\n  Words: Transformer")


MISTAKES = [
    ("evaluate nowhere", "not a saved model"),
    ("evaluate images", "--data PATH"),
    ("evaluate text --data nowhere", "nowhere"),
    ("evaluate text --data own.txt --num-draws 1", "`num_draws`"),
    ("evaluate text --data own.txt --limit 0", "`limit`"),
    ("evaluate text --data own.txt --batch-size 0", "`batch_size`"),
    ("evaluate text --data own.txt --seed -1", "`seed`"),
    ("evaluate images --data own.txt", "own.txt"),
    ("generate text --num-samples 0", "`num_samples`"),
    ("generate text --num-steps 0", "`num_steps`"),
    ("generate text --temperature -1", "`temperature`"),
    ("generate text --sampler best", "'event'"),
    ("generate text --length 0", "Received"),
    ("generate text --label 1", "no classes"),
    ("generate text --out nowhere/a.txt", "no folder 'nowhere'"),
    ("generate text --out pictures", "it is a folder"),
    ("generate text --out a.png", "its ending"),
    ("generate images --label 3", "zero, one, two"),
    ("generate images --label four", "zero, one, two"),
    ("generate images --length 3", "--length"),
    ("generate images --out a.txt", "its ending"),
    ("infill text", "nothing to fill"),
    ("infill text abc", "nothing to fill"),
    ("infill text a_ --box 0,0,1,1", "models of images"),
    ("infill images left.png --label one", "--mask FILE or --box"),
    ("infill images left.png --label one --box 1,2", "four whole numbers"),
    ("infill images left.png --label one --box 8,8,1,1", "nothing to fill"),
    ("infill images own.txt --label one --box 0,0,1,1", "cannot be used"),
    ("infill images left.png --box 0,0,1,1", "no --label"),
    ("score text", "one thing to score"),
    ("score text abc --data own.txt", "one thing to score"),
    ("score text A", "does not know these characters: 'A'"),
    ("score images left.png", "no --label"),
    ("score text abc --label 1", "models of images"),
    ("models nowhere", "no such folder"),
]


@pytest.mark.parametrize("words, said", MISTAKES)
def test_mistakes_end_with_one_line(ask, words, said):
    error = ask(*words.split(), status=2)
    (line,) = [line for line in error.splitlines() if not line.startswith("--seed")]
    assert line.startswith("error: ") and said in line


@pytest.mark.parametrize("text", ["", "é"])
def test_texts_that_are_none(ask, text):
    for verb in ("infill", "score"):
        assert ask(verb, "text", text, status=2).startswith("error: ")


@pytest.mark.parametrize("words", [["evaluate"], ["generate", "m", "--num-samples", "x"], ["bake"]])
def test_mistakes_of_usage_are_one_line_too(words, capsys):
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and "--help" in line


class TestProcess:
    """What is seen from outside alone."""

    def start(self, *words, folder):
        code = "import sys; from md4keras.cli import main; sys.exit(main())"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
        return subprocess.Popen(
            [sys.executable, "-c", code, *words],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def test_the_result_alone_is_on_standard_output(self, folder):
        words = ("generate", "text", "--num-samples", "2", "--num-steps", "2", "--seed", "0")
        out, errors = self.start(*words, folder=folder).communicate(timeout=300)
        assert [len(line) for line in out.splitlines()] == [LENGTH] * 2
        assert errors == "drawing (it compiles first, some seconds) ...\n"

    def test_a_reader_that_has_seen_enough(self, folder):
        process = self.start("models", str(folder), folder=folder)
        process.stdout.close()
        assert process.stderr.read() == "" and process.wait(timeout=300) == 141
        process.stderr.close()

    def test_an_interrupt(self, folder):
        process = self.start("generate", "text", "--num-steps", "100000", folder=folder)
        for line in process.stderr:
            if line.startswith("drawing"):
                break
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 130 and errors == "stopped\n"
