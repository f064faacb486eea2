"""Training on one's own documents, pairs and prepared folders, from nothing or a saved model."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from PIL import Image

import md4keras
from md4keras import cli, data, networks, tokenizers
from md4keras.data.preparation import Settings, prepare
from tests.test_recipes import TINY, quick_evaluation, tiny  # noqa: F401
from train import digits, inputs, loop, pydoc

pytestmark = pytest.mark.one_backend

WORDS = "the quick brown fox jumps over the lazy dog".split()
DOCUMENTS = [" ".join(WORDS[n % 3 : 3 + n % 7]) for n in range(40)]
PAIRS = [(f"{word} is ", "a word" if n % 2 else "short") for n, word in enumerate(WORDS * 4)]


@pytest.fixture
def records(tmp_path):
    file = tmp_path / "documents.jsonl"
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in DOCUMENTS))
    return file


@pytest.fixture
def pairs(tmp_path):
    file = tmp_path / "pairs.jsonl"
    lines = (json.dumps({"prompt": prompt, "answer": answer}) for prompt, answer in PAIRS)
    file.write_text("\n".join(lines) + "\n")
    return file


def run(output, *arguments, recipe=pydoc.RECIPE):
    arguments = [*TINY, "--output", str(output), *map(str, arguments)]
    return loop.main(tiny(recipe), arguments)


def refusal(capsys, output, *arguments, recipe=pydoc.RECIPE):
    capsys.readouterr()
    with pytest.raises(SystemExit) as end:
        run(output, *arguments, recipe=recipe)
    assert end.value.code == 2
    return capsys.readouterr().err


def read(*arguments, recipe=pydoc.RECIPE):
    recipe = tiny(recipe)
    return inputs.read(recipe, loop.plan.new(recipe, recipe.parse(list(map(str, arguments)))))


def saved_text(folder, tokenizer, length=24):
    """A saved model of text, not trained."""
    model = md4keras.MD4(networks.Transformer(tokenizer.vocabulary_size, length, 1, 2, 8))
    model.tokenizer = tokenizer
    return md4keras.save_model(model, folder)


def rows_of(dataset, key):
    return np.concatenate([batch[key] for batch in dataset])


@pytest.mark.parametrize("way", ["joined", "packed", "padded"])
def test_documents_become_rows_in_three_ways(way, records):
    found = read("--data", records, "--set", f"rows={way}", "batch_size=4", "sequence_length=48")
    assert found.facts["documents"] == 40 and found.facts["rows_made"] == way
    assert found.tokenizer.end_token_id is not None  # each of several texts may end
    held_out = DOCUMENTS[9::10]
    lengths = [len(text) + 1 for text in held_out]
    tokens = rows_of(found.validation, "tokens")
    if way == "joined":
        assert tokens.size == sum(lengths) // 48 * 48
        return
    real = rows_of(found.validation, "segment_ids" if way == "packed" else "padding_mask") > 0
    assert real.sum() == sum(lengths)
    texts = found.tokenizer.decode(tokens[real], cut=False).split("<|endoftext|>")
    assert sorted(texts[:-1]) == sorted(held_out)
    first, again = (next(iter(found.training(3)))["tokens"] for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_what_a_model_does_not_know_is_replaced_in_pairs_too(pairs, tmp_path):
    saved_text(tmp_path / "model", tokenizers.CharacterTokenizer())
    pairs.write_text(pairs.read_text().replace("the is", "THE é is"))
    asked = "--init-from", tmp_path / "model", "--data", pairs, "--set", "rows=pairs"
    with pytest.raises(ValueError, match="does not know these characters: 'THEé'"):
        read(*asked)
    found = read("--replace-unknown", *asked)
    assert found.facts["pairs"] == 36 and found.facts["rows_made"] == "pairs"
    tokens = np.concatenate([next(iter(found.training(n)))["tokens"] for n in range(9)])
    assert any("the e is" in text for text in found.tokenizer.decode(tokens))


def test_records_are_packed_and_texts_are_windows_unless_asked(records, tmp_path):
    assert read("--data", records).facts["rows_made"] == "packed"
    text = tmp_path / "text.txt"
    text.write_text("a fox " * 100)
    assert "rows_made" not in read("--data", text).facts
    made = read("--data", records, "--set", "rows=padded", "long=cut", "sequence_length=8")
    assert made.facts["cut"] == sum(len(text) > 7 for text in DOCUMENTS)
    assert "are longer than a row and cut" in inputs.lines(made)[-1]


def test_a_run_on_documents_is_evaluated_by_the_command(records, tmp_path, capsys):
    output = tmp_path / "run"
    run(output, "--data", records, "--set", "rows=padded")
    capsys.readouterr()
    for more in ([], ["--data", str(records)]):
        assert cli.main(["evaluate", str(output), "--num-draws", "2", "--json", *more]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["dimensions"] == sum(len(text) + 1 for text in DOCUMENTS[9::10])
        assert found["examples"] == found["examples_in_all"]
    other = tmp_path / "other.jsonl"
    other.write_text('{"text": "A fox"}\n')
    assert cli.main(["evaluate", str(output), "--json", "--data", str(other)]) == 2
    assert "does not know these characters" in capsys.readouterr().err
    other.write_text('{"text": "the fox"}\n')
    assert cli.main(["evaluate", str(output), "--json", "--data", str(other)]) == 0
    assert json.loads(capsys.readouterr().out)["dimensions"] == 8


@pytest.mark.slow
def test_fine_tuning_on_pairs_learns_answers_alone(pairs, tmp_path, capsys):
    first, second = tmp_path / "first", tmp_path / "second"
    saved_text(first, tokenizers.ByteTokenizer(end_token=True))
    run(second, "--init-from", first, "--data", pairs, "--set", "rows=pairs")
    assert "36 pairs" in capsys.readouterr().out
    recipe = md4keras.load_model(second / "model").recipe
    assert recipe["source"] == "pairs" and recipe["init_from"] == str(first)
    found = read("--init-from", first, "--data", pairs, "--set", "rows=pairs")
    batch = next(iter(found.validation))
    prompt, answer = PAIRS[9]
    assert batch["given"][0].sum() == len(prompt)
    assert batch["padding_mask"][0].sum() == len(prompt) + len(answer) + 1
    scored = batch["padding_mask"][0] & ~batch["given"][0]
    assert found.tokenizer.decode(batch["tokens"][0][scored]) == answer
    assert cli.main(["evaluate", str(second), "--num-draws", "2", "--json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["dimensions"] == sum(len(answer) + 1 for _, answer in PAIRS[9::10])
    loop.main(tiny(pydoc.RECIPE), ["--output", str(second), "--extend", "1"])
    assert md4keras.load_model(second / "model").recipe["steps"] == 5


@pytest.mark.parametrize("cls", [md4keras.MD4, md4keras.GenMD4])
def test_a_model_of_texts_without_an_end_gets_one(
    cls, pairs, records, tmp_path, monkeypatch, capsys
):
    """Of all other tokens it knows what it knew; the new one is the last before the mask."""
    rng, first = np.random.default_rng(0), tmp_path / "first"
    saved = cls(networks.Transformer(27, 24, 1, 2, 8, embedding="outside"))
    for part in (saved.network, saved.schedule) if cls is md4keras.GenMD4 else (saved.network,):
        part.set_weights([w + 0.3 * rng.normal(size=w.shape) for w in part.get_weights()])
    saved.tokenizer = tokenizers.CharacterTokenizer()
    md4keras.save_model(saved, first)
    started = []

    def look(model, milestones):
        started.append(model)
        raise ZeroDivisionError

    monkeypatch.setattr(loop, "_train", look)
    for data_of, more in ((pairs, ["rows=pairs"]), (records, ["rows=padded"])):
        with pytest.raises(ZeroDivisionError):
            arguments = "--init-from", first, "--data", data_of, "--set", *more
            run(tmp_path / "run", *arguments, "--overwrite")
        (model,) = started
        started.clear()
        assert "gets a token for it, to be learnt" in capsys.readouterr().out
        assert model.tokenizer.end_token_id == 27 and model.network.vocabulary_size == 28
        x, masked = rng.integers(0, 27, (3, 24)), rng.random((3, 24)) < 0.5
        time = np.array([0.2, 0.5, 0.9], "float32")
        expected = saved.predict_logits(np.where(masked, 27, x), time)
        found = keras.ops.convert_to_numpy(model.predict_logits(np.where(masked, 28, x), time))
        np.testing.assert_allclose(found[..., :27], expected, atol=1e-5)
        assert (found[..., 27] == 0).all()
        if cls is md4keras.GenMD4:
            powers = [np.asarray(each.schedule.power) for each in (model, saved)]
            np.testing.assert_array_equal(powers[0][:27], powers[1])


def test_texts_that_never_end_are_told(pairs):
    found = read("--data", pairs, "--set", "rows=pairs")
    assert "no end of text" not in inputs.lines(found)[-1]
    without = dataclasses.replace(found, tokenizer=tokenizers.ByteTokenizer())
    assert "no end of text, so the model will not learn to stop" in inputs.lines(without)[-1]


@pytest.mark.slow
def test_a_prepared_folder_needs_no_source_of_its_own(records, tmp_path, capsys):
    pytest.importorskip("datatrove")
    folder, quiet = tmp_path / "prepared", lambda words: None
    prepare(records, folder, Settings(validation=0.2), workers=1, say=quiet)
    output = tmp_path / "run"
    run(output, "--data", folder, "--set", "rows=padded", "long=split")
    model = md4keras.load_model(output / "model")
    made = data.prepared(folder)
    assert model.tokenizer.get_config() == made.tokenizer.get_config() == {"end_token": True}
    assert model.recipe["read"]["fingerprint"] == made.facts["fingerprint"]
    capsys.readouterr()
    assert cli.main(["evaluate", str(output), "--num-draws", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    held_out = made.splits["validation"].lengths
    assert found["dimensions"] == int(held_out.sum()) + len(held_out)  # each with its end
    assert found["examples_in_all"] == found["examples"]
    in_memory = inputs.data.measure(  # so few documents are a sample of all of them
        ("n-grams",), *(np.concatenate([*made.splits[s]]) for s in ("training", "validation")), 257
    )
    told = model.recipe["baselines_bits_per_dim"]
    assert told == {f"{name} of a sample": bits for name, bits in in_memory.items()}
    assert read("--init-from", output, "--data", folder).facts["rows_made"] == "packed"
    again = refusal(capsys, tmp_path / "again", "--data", folder, "--set", "tokenizer=text8")
    assert "tokenizer=text8" in again and "a ByteTokenizer of 257 values" in again
    saved_text(tmp_path / "other", tokenizers.ByteTokenizer())
    tuned = "--init-from", tmp_path / "other", "--data", folder
    refused = refusal(capsys, tmp_path / "tuned", *tuned)
    assert "another tokenizer than the model's" in refused


def check_alike(found, expected):
    """Two results, but for rounding."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        value = pytest.approx(value, rel=1e-6) if isinstance(value, float) else value
        assert found[name] == value, name


def test_prepared_data_are_measured_part_by_part(records, tmp_path, monkeypatch, capsys):
    """The figures are those of all rows at once, but no more than a part is in memory."""
    pytest.importorskip("datatrove")
    folder = tmp_path / "prepared"
    prepare(records, folder, Settings(validation=0.5), workers=1, say=lambda words: None)
    model = saved_text(tmp_path / "model", data.prepared(folder).tokenizer)

    def measured(*more):
        words = ["evaluate", model, "--data", folder, "--num-draws", "2", "--batch-size", "3"]
        assert cli.main(list(map(str, [*words, "--json", *more]))) == 0
        return json.loads(capsys.readouterr().out)

    whole, some = measured(), measured("--limit", "5")
    sizes, draw_steps = [], md4keras.MD4.draw_steps

    def noted(self, batch, *arguments, **options):
        sizes.append(len(batch.x))
        return draw_steps(self, batch, *arguments, **options)

    monkeypatch.setattr(md4keras.MD4, "draw_steps", noted)
    monkeypatch.setattr(cli.measured_rows, "_AT_ONCE", 4)
    parts = measured()
    assert set(sizes[:-1]) == {4} and sum(sizes) == whole["examples"] > 12
    check_alike(parts, whole)
    sizes.clear()
    check_alike(measured("--limit", "5"), some | {"examples_in_all": None})
    assert sizes == [4, 1] and some["examples_in_all"] == whole["examples"]


def test_a_sample_is_spread_over_a_split():
    class Split:
        lengths, with_labels = np.full(1000, 10), False

        def __len__(self):
            return 1000

        def __getitems__(self, numbers):
            return [np.full(10, number) for number in numbers]

    found = [int(each[0]) for each in inputs.data.sample(Split(), most=100)]
    assert found == list(range(0, 1000, 100))
    assert len(inputs.data.sample(Split(), most=10**6)) == 1000


def test_what_is_no_good_is_told(tmp_path, records, capsys):
    output = tmp_path / "run"
    single = tmp_path / "single.jsonl"
    single.write_text('{"text": "only one"}\n')
    assert "too few documents" in refusal(capsys, output, "--data", single)
    assert "no 'prompt', but 'text'" in refusal(
        capsys, output, "--data", records, "--set", "rows=pairs"
    )
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text('{"prompt": "a", "answer": "b"}\n')
    asked = refusal(capsys, output, "--data", pairs)
    assert "no 'text', but 'prompt', 'answer' (rows=pairs trains on these)" in asked
    assert "one text, not documents" in refusal(capsys, output, "--set", "rows=packed")
    assert "takes no special tokens" in refusal(capsys, output, "--set", "spare_tokens=2")


def test_settings_that_would_not_be_heeded_are_refused(tmp_path, pairs, capsys):
    saved_text(tmp_path / "model", tokenizers.ByteTokenizer())
    first = "--init-from", tmp_path / "model", "--data", pairs, "--set", "rows=pairs"
    for setting in ("tokenizer=bytes", "spare_tokens=2"):
        refused = refusal(capsys, tmp_path / "run", *first, setting)
        assert "would not be heeded" in refused and f"Received: {setting}. Leave" in refused
    refused = refusal(capsys, tmp_path / "run", "--data", pairs, "--set", "max_ends=3")
    assert "`max_ends` would not be heeded" in refused and "rows=pairs" in refused


def pictures(folder, names):
    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).mkdir(parents=True)
        for index in range(12):
            pixels = rng.integers(0, 256, (8, 8), "uint8")
            Image.fromarray(pixels).save(folder / name / f"{index}.png")
    return folder


def test_fine_tuning_on_labelled_images(tmp_path, monkeypatch):
    """From a model without classes, and to other classes: those of the same name stay."""
    plain, two = tmp_path / "plain", tmp_path / "two"
    saved = md4keras.MD4(networks.UNet(17, (8, 8, 1), 0, 64))
    classes = md4keras.MD4(networks.UNet(17, (8, 8, 1), 0, 64, num_classes=2))
    classes.recipe = {"class_names": ["cats", "dogs"]}
    for model, folder in ((saved, plain), (classes, two)):
        rng = np.random.default_rng(1)
        weights = model.network.get_weights()
        model.network.set_weights([w + rng.normal(size=w.shape, scale=0.1) for w in weights])
        md4keras.save_model(model, folder)
    images = pictures(tmp_path / "images", ("birds", "cats", "dogs"))
    started = []

    def look(model, milestones):
        started.append(model)
        raise ZeroDivisionError

    monkeypatch.setattr(loop, "_train", look)
    for folder in (plain, two):
        with pytest.raises(ZeroDivisionError):
            start = "--init-from", folder, "--data", images, "--set", "labels=true"
            run(tmp_path / "run", *start, "--overwrite", recipe=digits.RECIPE)
        assert started[-1].network.num_classes == 3
    x, time = np.arange(64).reshape(1, 8, 8, 1) % 17, np.array([0.4], "float32")
    for label in range(3):  # not heeded yet
        found = started[0].predict_logits(x, time, np.array([label]))
        np.testing.assert_allclose(found, saved.predict_logits(x, time), atol=1e-4)
    for label, before in ((1, 0), (2, 1)):  # cats, dogs
        found = started[1].predict_logits(x, time, np.array([label]))
        expected = classes.predict_logits(x, time, np.array([before]))
        np.testing.assert_allclose(found, expected, atol=1e-4)
