"""A model of word pieces from a corpus to its samples: every command takes it."""

import csv
import gzip
import json
import math
import re

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

import md4keras
from md4keras import cli, data, tokenizers
from md4keras.cli import evaluate
from md4keras.data.gaps import parse_gaps
from tests.test_recipes import quick_evaluation  # noqa: F401
from train import inputs, loop, pydoc, python_docs

pytestmark = pytest.mark.one_backend

SMALL = ["network.num_layers=1", "network.num_heads=2", "network.feature_dim=8"]
SMALL += ["sequence_length=16", "sampling.num_steps=4"]


def ask(capsys, *words, status=0):
    capsys.readouterr()
    assert cli.main([str(word) for word in words]) == status
    printed = capsys.readouterr()
    if status:
        return printed.err
    return json.loads(printed.out) if "--json" in words else printed.out


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a corpus of documents and the tokenizer that was trained on it."""
    home = tmp_path_factory.mktemp("pieces")
    (home / "texts").mkdir()
    for number in range(12):
        words = f"the quick brown fox jumps over the naïve dog {number} times\n" * 9
        (home / "texts" / f"{number:02}.txt").write_text(words, encoding="utf-8")
    arguments = ["data", "tokenizer", str(home / "texts"), "--vocabulary-size", "300"]
    assert cli.main([*arguments, "--out", str(home / "tokenizer.json")]) == 0
    return home


@pytest.fixture(scope="module")
def trained(home):
    settings = [f"tokenizer={home / 'tokenizer.json'}", *SMALL]
    command = ["--steps", "4", "--interval", "2", "--batch-size", "4", "--output", home / "run"]
    command += ["--data", home / "texts", "--set", *settings]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(md4keras.MD4, "_passes_wanted", lambda self: 1)
        loop.main(pydoc.RECIPE, list(map(str, command)))
    return home / "run"


def test_pieces_are_made_of_what_is_trained_on_alone():
    settings = python_docs.RECIPE.complete({"vocabulary_size": 300})
    held = [data.Splits("the quick brown fox " * 9, held_out) for held_out in ("a b", "zzzz" * 99)]
    made = [inputs._tokenizer(settings, splits, ends=False) for splits in held]
    assert made[0].get_config() == made[1].get_config()
    assert 256 < made[0].vocabulary_size <= 300 and made[0].end_token_id is None
    assert inputs._tokenizer(settings, held[0], ends=True).end_token == "<|endoftext|>"


def test_a_size_of_no_vocabulary_is_not_passed_over(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["train", "pydoc", "--set", "vocabulary_size=512"])
    said = capsys.readouterr().err
    assert "vocabulary_size=512" in said and "tokenizer=word_pieces" in said


def test_the_tokenizer_of_a_corpus_is_told_and_repeatable(home, capsys, tmp_path):
    again = ["data", "tokenizer", home / "texts", "--vocabulary-size", "300"]
    found = ask(capsys, *again, "--out", tmp_path / "again.json", "--json")
    assert (tmp_path / "again.json").read_bytes() == (home / "tokenizer.json").read_bytes()
    tokenizer = tokenizers.load(tmp_path / "again.json")
    held_out = [*data.text_files.stream(home / "texts").validation]
    assert "".join(held_out) == data.text_files(home / "texts").validation
    tokens, characters = (sum(map(len, e)) for e in (map(tokenizer.encode, held_out), held_out))
    assert found["vocabulary_size"] == tokenizer.vocabulary_size <= 300
    assert found["special_tokens"] == {"<|endoftext|>": tokenizer.end_token_id}
    assert found["held_out_tokens"] == tokens and found["held_out_characters"] == characters
    assert found["characters_per_token"] == characters / tokens > 2
    named = [*again, "--special-tokens", "<|endoftext|>", "<pad>", "--out", tmp_path / "named.json"]
    assert "<pad> (" in ask(capsys, *named) and tokenizers.load(tmp_path / "named.json").pad_token


def test_the_same_documents_in_any_kind_of_file_give_the_same_tokenizer(capsys, tmp_path):
    texts = [f"the {n} quick foxes\n, {n % 3} lazy dogs " * 3 for n in range(30)]
    table = pyarrow.table({"number": range(30), "body": texts})
    lines = "".join(json.dumps({"body": text}) + "\n" for text in texts)
    files = {"a.jsonl": lines.encode(), "a.ndjson.gz": gzip.compress(lines.encode())}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    with open(tmp_path / "a.csv", "w", newline="") as file:
        csv.writer(file).writerows([("body", "n"), *((text, n) for n, text in enumerate(texts))])
    (tmp_path / "folder").mkdir()
    for number, text in enumerate(texts):
        (tmp_path / "folder" / f"{number:02}.txt.gz").write_bytes(gzip.compress(text.encode()))
    found = {}
    for name in (*files, "a.parquet", "a.csv", "folder"):
        out = tmp_path / f"{name}.out.json"
        asked = ["data", "tokenizer", tmp_path / name, "--field", "body", "--out", out]
        printed = ask(capsys, *asked, "--vocabulary-size", "290", "--json")
        kept = {key: value for key, value in printed.items() if key not in ("out", "fingerprint")}
        found[name] = out.read_bytes(), kept
    assert all(each == found["folder"] for each in found.values())
    splits = data.own_documents(tmp_path / "a.csv", field="body")
    assert found["a.csv"][1]["characters"] == sum(map(len, splits.training))
    assert found["a.csv"][1]["held_out_characters"] == sum(map(len, splits.validation))


def test_texts_are_documents_where_it_is_said(home, capsys, tmp_path):
    ask_for = ["data", "tokenizer", home / "texts", "--vocabulary-size", "300"]
    for rows, source in (("windows", data.text_files), ("documents", data.own_documents)):
        out = ["--out", tmp_path / f"{rows}.json"]
        found = ask(capsys, *ask_for, "--rows", rows, *out, "--json")
        training = "".join(source.stream(home / "texts").training)
        assert found["characters"] == len(training)


def test_sequences_have_pieces(capsys, tmp_path):
    lines = "".join(f">{number} a\nACGTACGT\nTTGA\n" for number in range(9))
    (tmp_path / "a.fasta").write_text(lines)
    asked = ["data", "tokenizer", tmp_path / "a.fasta", "--out", tmp_path / "t.json", "--json"]
    assert ask(capsys, *asked)["held_out_characters"] == 12


def test_mistakes_leave_no_file(home, capsys, tmp_path):
    out = tmp_path / "tokenizer.json"
    for words in (
        [home / "nowhere", "--out", out],
        [home / "texts", "--vocabulary-size", "100", "--out", out],
        [home / "texts", "--out", tmp_path / "no" / "tokenizer.json"],
        [home / "texts", "--out", tmp_path / "tokenizer.txt"],
        [home / "texts" / "00.txt", "--rows", "documents", "--out", out],  # too few
    ):
        assert "Received: " in ask(capsys, "data", "tokenizer", *words, status=2)
    assert not list(tmp_path.iterdir())


def test_a_run_keeps_its_tokenizer_and_goes_on_without_the_file(trained, home, capsys):
    model = md4keras.load_model(trained / "model")
    kept = tokenizers.load(home / "tokenizer.json")
    assert model.tokenizer.get_config() == kept.get_config()
    assert model.network.vocabulary_size == kept.vocabulary_size
    assert model.recipe["read"]["characters_per_token"] > 2
    assert {"unigram", "bigram"} <= model.recipe["baselines_bits_per_dim"].keys()
    moved = (home / "tokenizer.json").rename(home / "moved.json")
    loop.main(pydoc.RECIPE, ["--output", str(trained), "--extend", "2"])
    moved.rename(home / "tokenizer.json")
    found = capsys.readouterr().out
    assert "characters on average" in found and md4keras.load_model(trained / "model").recipe


def test_figures_are_told_for_a_token_and_for_a_character(trained, home, capsys):
    model = md4keras.load_model(trained / "model")
    measure = ["--num-draws", "4"]
    found = ask(capsys, "evaluate", trained, "--data", home / "texts", *measure, "--json")
    assert found["dimension"] == "token"
    bits = found["bits_per_dim"] * found["dimensions"]
    tokens = model.tokenizer.encode(data.text_files(home / "texts").validation)
    text = model.tokenizer.decode(tokens[: found["dimensions"]])
    assert found["characters"] == len(text) and found["bytes"] == len(text.encode())
    np.testing.assert_allclose(found["bits_per_character"] * len(text), bits)
    np.testing.assert_allclose(found["bits_per_byte"] * len(text.encode()), bits)
    assert re.search(
        "bits per token.*\n95 % .*\nwhich is .* bits per character", evaluate._report(found)
    )

    text = "the quick naïve fox " * 5  # longer than a window
    (row,) = ask(capsys, "score", trained, text, *measure, "--json")["of"]
    assert row["dimensions"] == len(model.tokenizer.encode(text)) > 16
    bits = row["nats"] / math.log(2)
    np.testing.assert_allclose(row["bits_per_character"] * len(text), bits)
    np.testing.assert_allclose(row["bits_per_byte"] * len(text.encode()), bits)
    printed = ask(capsys, "score", trained, text, *measure)
    assert printed.startswith("bits per token, then per character\n")


def test_texts_are_drawn_and_filled(trained, capsys):
    how = ["--num-steps", "4", "--seed", "3", "--json"]
    model = md4keras.load_model(trained / "model")
    found = ask(capsys, "generate", trained, "--num-samples", "5", *how)["text"]
    assert found == model.tokenizer.decode(model.generate(5, num_steps=4, seed=3))
    long = "the quick brown fox jumps over the naïve dog and the ____ dog [mask 2]_x " * 2
    texts = "the ____ fox", long
    results = ask(capsys, "infill", trained, *texts, *how)["results"]
    for text, result in zip(texts, results, strict=True):
        tokens, mask = parse_gaps(text, model.tokenizer)
        before = model.tokenizer.decode(tokens[: mask.argmax()])
        assert result["text"][0].startswith(before)
    assert "nothing to fill" in ask(capsys, "infill", trained, "a_b", *how, status=2)
    (listed,) = ask(capsys, "models", trained, "--json")
    assert listed["samples"] == "text" and listed["problem"] is None


@pytest.mark.usefixtures("quick_evaluation")
def test_a_tokenizer_of_characters_may_be_taken_from_a_model(tmp_path):
    """What its alphabet lacks is told, as with any tokenizer that was not fitted."""
    words = data.pydoc().training
    network = md4keras.networks.Transformer(27, 8, num_layers=1, num_heads=1, feature_dim=8)
    model = md4keras.MD4(network)
    model.tokenizer = tokenizers.CharacterTokenizer()
    md4keras.save_model(model, tmp_path / "model")
    settings = [f"tokenizer={tmp_path / 'model'}", *SMALL]
    options = pydoc.RECIPE.parse(["--steps", "1", "--set", *settings])
    found = inputs.read(pydoc.RECIPE, loop.plan.new(pydoc.RECIPE, options))
    assert found.tokenizer.alphabet == tokenizers.TEXT8_ALPHABET and found.facts["characters"]
    assert found.facts["characters_per_token"] == 1.0 and words
    (tmp_path / "own.txt").write_text("The Quick " * 100)
    options = pydoc.RECIPE.parse(["--data", str(tmp_path / "own.txt"), "--set", *settings])
    with pytest.raises(ValueError, match="does not know these characters: 'TQ'"):
        inputs.read(pydoc.RECIPE, loop.plan.new(pydoc.RECIPE, options))
