"""The zero-shot sets by name: prepared from small files in the published form, then cut."""

import io
import json

import numpy as np
import pytest

import md4keras
from md4keras import cli, data, networks
from md4keras.cli import measured_rows, reading
from md4keras.data import Conventions, detokenizers, zero_shot
from md4keras.data.preparation import KNOWN, Settings, prepare
from md4keras.evaluation.report import read_report
from md4keras.tokenizers import BytePairTokenizer, ByteTokenizer
from tests.test_data.test_documents import parquet_bytes
from tests.test_data.test_zero_shot import by_hand
from tests.web_double import served

pytestmark = pytest.mark.one_backend
pytest.importorskip("datatrove")
pytest.importorskip("pyarrow")

WORDS = 'the company \'s first engine , built N years ago ( in iron ) , was " good " .'.split()
RNG = np.random.default_rng(1)
BYTES = ByteTokenizer(end_token=True)


def texts_of(number, count=9):
    return [" ".join(RNG.choice(WORDS, 4 + (number + n) % 9)) for n in range(count)]


def lines_of_wikitext(number):
    """A heading and paragraphs with empty lines between them, as on the hub."""
    return ["", " = Rail Yard = \n", "", *(f" {text} \n" for text in texts_of(number, 5)), ""]


def two(name, column, texts, **others):
    columns = {column: texts} | {key: [value] * len(texts) for key, value in others.items()}
    return {name: parquet_bytes(columns)}


def of_wikitext(folder, parts=1):
    files, texts = {}, {}
    for split, published in zip(THREE, ("train", "validation", "test"), strict=True):
        count = parts if published == "train" else 1
        for part in range(count):
            lines = lines_of_wikitext(len(files))
            texts[split] = texts.get(split, []) + lines
            files |= two(f"{folder}/{published}-{part:05d}-of-{count:05d}.parquet", "text", lines)
    return files, texts


def of_papers(name):
    files, texts = {}, {}
    for split, published in zip(THREE, ("partial-train", "validation", "test"), strict=True):
        texts[split] = ["\n".join(texts_of(n)) for n in range(3)]
        others = {"abstract": "an abstract", "section_names": "one"}
        files |= two(f"{name}/{published}/0000.parquet", "article", texts[split], **others)
        files |= two(f"other/{published}/0000.parquet", "article", ["wrong"], **others)
    return files, texts


def of_ptb(kind):
    texts = {split: texts_of(n) for n, split in enumerate(THREE)}
    files = {}
    for split, name, short in zip(THREE, PUBLISHED, ("train", "valid", "test"), strict=True):
        if kind == "lines":
            text = "".join(f" {sentence} \n" for sentence in texts[split])
            files[f"simple-examples/data/ptb.{short}.txt"] = text.encode()
        else:
            files |= two(f"penn_treebank/{name}/0000.parquet", "sentence", texts[split])
    return files, texts


def of_lambada(kind):
    texts = [f" “{text}” he said " for text in texts_of(0)]
    if kind == "parquet":
        return two("default/test/0000.parquet", "text", texts), {"validation": texts}
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    return {"lambada_test.jsonl": lines.encode()}, {"validation": texts}


def of_two_splits(train, test, **others):
    texts = {"training": texts_of(0), "validation": texts_of(1)}
    files = two(train, "text", texts["training"], **others)
    return files | two(test, "text", texts["validation"], **others), texts


THREE, PUBLISHED = ("training", "validation", "test"), ("train", "validation", "test")
COPIES = {
    "lambada": lambda: of_lambada("parquet"),
    "lambada-lines": lambda: of_lambada("lines"),
    "wikitext2": lambda: of_wikitext("wikitext-2-raw-v1"),
    "wikitext103": lambda: of_wikitext("wikitext-103-raw-v1", parts=2),
    "ptb": lambda: of_ptb("parquet"),
    "ptb-lines": lambda: of_ptb("lines"),
    "lm1b": lambda: of_two_splits("plain_text/train/0000.parquet", "plain_text/test/0000.parquet"),
    "ag_news": lambda: of_two_splits(
        "data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet", label=2
    ),
    "pubmed": lambda: of_papers("pubmed"),
    "arxiv": lambda: of_papers("arxiv"),
}
MEASURED = {"lambada": "test", "lm1b": "test", "ag_news": "test"}


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def made(tmp_path, key, **settings):
    """A set, prepared from its copy, and its texts."""
    files, texts = COPIES[key]()
    copy, name = write(tmp_path / "copy", files), key.split("-")[0]
    how = Settings(BYTES)._replace(**settings)
    return prepare(name, tmp_path / "out", how, copy, 1, lambda words: None), texts


@pytest.mark.parametrize("key", COPIES)
def test_a_set_is_prepared_and_cut(key, tmp_path):
    found, texts = made(tmp_path, key)
    name = key.split("-")[0]
    own = detokenizers.get(KNOWN[name].detokenizer)
    strip = str.strip if key == "ptb-lines" else str
    assert set(found.splits) == set(texts)
    for split, documents in texts.items():
        clean = [own(strip(text)) for text in documents]
        assert [BYTES.decode(tokens) for tokens in found.splits[split]] == clean
        words = [sum(len(text.split()) for text in each) for each in (documents, clean)]
        assert found.index["texts"][split] == {
            "documents": len(documents),
            "empty": clean.count(""),
            "words": words[0],
            "words_detokenized": words[1],
        }
    clean = [own(strip(text)) for text in texts["validation"]]
    rows, rest = by_hand([BYTES.encode(text) for text in clean], 32, 256)
    blocks = zero_shot(found, length=32)
    assert blocks.tokens.tolist() == rows and len(rows) > 2
    facts = blocks.facts
    assert facts["dropped_tokens"] == len(rest) and facts["documents"] == len(clean)
    assert facts["words"] == sum(len(text.split()) for text in texts["validation"])
    assert facts["split"] == MEASURED.get(name, "validation")
    assert facts["detokenizer"] == KNOWN[name].detokenizer and facts["set"] == name
    assert [words.split(" rather")[0] for words in facts["changed"]] == [
        "ByteTokenizer (257 ids)",
        "blocks of 32 tokens",
    ]
    straight = zero_shot(name, BYTES, 32, copy=tmp_path / "copy")  # without a preparation
    assert straight.tokens.tolist() == rows and straight.facts == facts
    assert data.get(name)(tmp_path / "out").facts == found.facts


def test_only_the_splits_that_are_asked_for_are_fetched(tmp_path, monkeypatch):
    from huggingface_hub import constants

    files, texts = COPIES["wikitext2"]()
    other, _ = COPIES["wikitext103"]()
    with served() as web:
        web.add_dataset(KNOWN["wikitext2"].repository, files | other)
        monkeypatch.setattr(constants, "ENDPOINT", web.url)
        how = Settings(BYTES, splits=("validation",))
        found = prepare("wikitext2", tmp_path / "out", how, workers=1, say=lambda words: None)
        (path,) = (path for path, _ in web.asked if path.endswith(".parquet"))
    assert path.endswith("wikitext-2-raw-v1/validation-00000-of-00001.parquet")
    assert found.index["texts"].keys() == {"validation"}
    assert len(found.splits["validation"]) == len(texts["validation"])
    assert found.describe()[1] == "Validation: its own validation lines are held out."


def test_recipes_train_on_a_set_without_its_empty_lines(tmp_path):
    found, texts = made(tmp_path, "wikitext2")
    clean = [text for text in map(detokenizers.wikitext, texts["training"]) if text]
    assert len(clean) < len(texts["training"])
    for way in ("packed", "padded"):
        batches = found.batches("training", 99, False, rows=found.rows(way, 128, "split"))
        real = [b["tokens"][b.get("segment_ids", b.get("padding_mask")) > 0] for b in batches]
        ends = BYTES.decode(np.concatenate(real), cut=False).split("<|endoftext|>")
        assert sorted(ends[:-1]) == sorted(clean)
    joined = next(iter(found.batches("training", 2, True, rows=found.rows("joined", 64))))
    assert joined["tokens"].shape == (2, 64)


def test_what_is_changed_in_a_preparation_is_told(tmp_path):
    how = {"detokenizer": "none", "splits": ("test",), "limit": 4}
    found, texts = made(tmp_path, "ptb-lines", **how)
    assert set(found.splits) == {"test"}
    assert [BYTES.decode(tokens) for tokens in found.splits["test"]] == texts["test"][:4]
    facts = zero_shot(found, BYTES, 16, "test").facts
    assert facts["detokenizer"] is None and facts["words"] == facts["words_detokenized"]
    assert facts["changed"][:3] == [
        "split test rather than validation",
        "the first 4 documents of its files alone",
        "no detokeniser rather than the detokeniser of ptb",
    ]
    with pytest.raises(ValueError, match="Received: split='validation'"):
        zero_shot(found)
    none, own = Conventions(detokenize=False), Conventions(detokenize="ptb")
    assert zero_shot(found, None, 16, "test", none).facts["changed"] == facts["changed"]
    with pytest.raises(ValueError, match="was detokenised otherwise.*--detokenizer ptb --out"):
        zero_shot(found, None, 16, "test", own)
    how["splits"] = ("tests",)
    with pytest.raises(ValueError, match="Received: splits='tests'"):
        made(tmp_path, "ptb-lines", **how)


def test_the_command_prepares_documents_of_ones_own_with_a_detokeniser(tmp_path, capsys):
    (tmp_path / "own.jsonl").write_text('{"text": "a , b"}\n{"text": "c ."}\n{"text": "d !"}\n')
    command = ["data", "prepare", str(tmp_path / "own.jsonl"), "--workers", "1", "--validation"]
    out = ["0", "--out", str(tmp_path / "out"), "--detokenizer"]
    assert cli.main([*command, *out, "lm1b"]) == 0
    found = data.prepared(tmp_path / "out")
    assert [found.tokenizer.decode(t) for t in found.splits["training"]] == ["a, b", "c .", "d!"]
    assert found.index["texts"]["training"]["words"] == 7
    assert cli.main([*command, *out, "none"]) == 2
    assert "Another data set is in this folder" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["wikitext2", "ptb-lines", "lambada"])
def test_missing_files_are_named(key, tmp_path):
    files, _ = COPIES[key]()
    missing = next(name for name in files if "valid" in name or "test" in name)
    copy = write(tmp_path / "copy", {n: c for n, c in files.items() if n != missing} | {"x": b"x"})
    name, pattern = key.split("-")[0], KNOWN[key.split("-")[0]].patterns("validation")[-1]
    expected = pattern.replace("*", r"\*").replace(".", r"\.")
    with pytest.raises(ValueError, match=f"has no such files. Expected .*{expected}.*--source"):
        prepare(name, tmp_path / "out", Settings(BYTES), copy, 1, print)
    with pytest.raises(ValueError, match="cannot be read.*--source FOLDER"):
        prepare(name, tmp_path / "out", Settings(BYTES), tmp_path / "nowhere", 1, print)
    with pytest.raises(ValueError, match="cannot be read"):  # before the tokenizer is looked for
        prepare(name, tmp_path / "out", Settings("no_tokenizer"), tmp_path / "nowhere", 1, print)
    with pytest.raises(ValueError, match=f"has no such files. Expected .*{expected}"):
        zero_shot(name, BYTES, copy=copy)


@pytest.mark.parametrize("texts", [[], ["", ""]])
def test_an_empty_set_is_told(texts, tmp_path):
    files, _ = COPIES["wikitext2"]()
    name = next(name for name in files if "validation" in name)
    stream = io.BytesIO(two(name, "text", texts or ["x"])[name])
    if not texts:
        import pyarrow
        import pyarrow.parquet

        table, stream = pyarrow.parquet.read_table(stream), pyarrow.BufferOutputStream()
        pyarrow.parquet.write_table(table.slice(0, 0), stream)
    copy = write(tmp_path / "copy", files | {name: bytes(stream.getvalue())})
    words = "split of wikitext2 is empty.*Received: validation with.*Name a whole copy"
    with pytest.raises(ValueError, match=words):
        prepare("wikitext2", tmp_path / "out", Settings(BYTES), copy, 1, lambda words: None)
    with pytest.raises(ValueError, match="The set is empty"):
        zero_shot("wikitext2", BYTES, copy=copy)


def test_another_tokenizer_and_rows_that_are_cut_are_told(tmp_path):
    found, _ = made(tmp_path / "a", "ag_news")
    pieces = BytePairTokenizer.train(["a cat sat on a mat"] * 9, vocabulary_size=270)
    with pytest.raises(ValueError, match="not that of the prepared set.*ag_news --tokenizer MODEL"):
        zero_shot(found, pieces)
    cut, _ = made(tmp_path / "b", "ag_news", rows="joined", sequence_length=16)
    with pytest.raises(ValueError, match="cut already.*--rows documents"):
        zero_shot(cut)


def model_of(tokenizer, length):
    model = md4keras.MD4(networks.Transformer(tokenizer.vocabulary_size, length, 1, 2, 8))
    model.tokenizer = tokenizer
    return model


def test_a_model_is_measured_on_blocks_of_its_own_length(tmp_path):
    found, texts = made(tmp_path, "lm1b")
    examples = reading.read_own(model_of(BYTES, 24), tmp_path / "out", replace=False)
    clean = [detokenizers.lm1b(text) for text in texts["validation"]]
    rows, rest = by_hand([BYTES.encode(text) for text in clean], 24, 256)
    (part,) = examples.parts()
    assert part.tokens.tolist() == rows and part.layout is None and examples.in_all == len(rows)
    assert examples.left_out == examples.facts["dropped_tokens"] == len(rest)
    assert examples.facts == zero_shot(found, BYTES, 24).facts
    (padded,) = reading.read_own(model_of(BYTES, 1024), tmp_path / "out", False).parts()
    assert padded.tokens.shape == (1, 1024)
    assert padded.layout["padding_mask"].sum() == sum(map(len, clean)) + len(clean) - 1 + 2
    trained = measured_rows.of_prepared(model_of(BYTES, 24), found, "it", trained=True)
    assert trained.facts == {} and all("segment_ids" in p.layout for p in trained.parts())
    with pytest.raises(ValueError, match="not that of the prepared set.*--tokenizer MODEL"):
        reading.read_own(model_of(ByteTokenizer(), 24), tmp_path / "out", False)


def test_evaluate_measures_a_set(tmp_path, capsys):
    found, _ = made(tmp_path, "lambada")
    md4keras.save_model(model_of(BYTES, 24), tmp_path / "model")
    words = ["evaluate", tmp_path / "model", "--data", tmp_path / "out", "--num-draws", "2"]
    assert cli.main([*map(str, words), "--json"]) == 0
    result, facts = json.loads(capsys.readouterr().out), zero_shot(found, BYTES, 24).facts
    assert result["examples"] == facts["blocks"] and result["dimensions"] == 24 * facts["blocks"]
    assert result["left_out_at_the_end"] == facts["dropped_tokens"]


def test_a_report_names_the_conventions_of_a_set(tmp_path):
    found, _ = made(tmp_path, "lambada")
    md4keras.save_model(model_of(BYTES, 24), tmp_path / "model")
    words = ["evaluate", tmp_path / "model", "--data", tmp_path / "out", "--num-draws", "2"]
    assert cli.main([*map(str, words), "--report"]) == 0
    report, facts = read_report(tmp_path / "report"), zero_shot(found, BYTES, 24).facts
    told = {each["name"]: each["text"] for each in report.conventions}
    lines = data.describe_zero_shot(facts)
    assert [told[name] for name in ("set", "blocks", "conventions")] == [f"{x}." for x in lines]
    assert "of the set as it was published" in told["words"] and "text" not in told
    rows = {row["name"]: row["value"] for row in report.figures}
    kept = facts["words"] * (1 - facts["dropped_tokens"] / facts["joined_tokens"])
    total = rows["bits per byte"] * 24 * facts["blocks"]  # the ends of blocks among them
    assert rows["bits per word"] == pytest.approx(total / kept)
    assert report.data["left_out"] == facts["dropped_tokens"]
