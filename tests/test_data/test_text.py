import importlib.resources
import json
import os

import numpy as np
import pytest

from md4keras import data, tokenizers

pytestmark = pytest.mark.one_backend


def read(path, **limits):
    """A text as a whole."""
    splits = data.text_files(path, validation_fraction=None, **limits)
    assert splits.validation is splits.test is None
    return splits.training


def test_the_shipped_text_is_always_the_same():
    splits = data.pydoc()
    text = splits.training + splits.validation
    assert len(text) == 386_903 and len(splits.validation) == 38_690
    assert set(text) == set(tokenizers.TEXT8_ALPHABET)
    assert tokenizers.normalise_text8(text) == text
    assert text.startswith("the assert statement assert statements are a convenient way")


def test_the_shipped_documentation_is_always_the_same():
    splits = data.python_docs()
    assert (len(splits.training), len(splits.validation)) == (2_143_447, 123_570)
    assert splits.facts["fingerprint"].startswith("593674052bc5")
    assert splits.training.startswith('The "assert" statement\n')
    held_out, seen = splits.validation.split("\n\n"), set(splits.training.split("\n\n"))
    repeated = sum(len(paragraph) for paragraph in held_out if paragraph in seen)
    assert repeated < 0.05 * len(splits.validation)  # topics quote one another


def test_its_licence_is_shipped_with_it():
    licence = importlib.resources.files("md4keras.data") / "pydoc_LICENSE.txt"
    assert "PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2" in licence.read_text()


@pytest.mark.parametrize("fraction", [0.05, 0.1, 0.5])
def test_a_split_loses_and_repeats_nothing(fraction):
    tokens = np.arange(1003)
    training, validation = data.split_text(tokens, fraction)
    np.testing.assert_array_equal(np.concatenate([training, validation]), tokens)
    assert len(validation) == int(1003 * fraction)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 0.0001])
def test_a_split_with_an_empty_side_is_refused(fraction):
    with pytest.raises(ValueError, match=f"validation_fraction={fraction}"):
        data.split_text(np.arange(100), fraction)


def test_a_file_is_read_as_it_is(tmp_path):
    file = tmp_path / "mine.txt"
    file.write_bytes("\ufeffEin Töpfchen\r\nund mehr".encode())
    assert read(file) == read(str(file)) == "Ein Töpfchen\nund mehr"


def test_a_folder_is_read_in_the_order_of_names(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "one.txt").write_text("second")
    (tmp_path / "a.txt").write_text("first")
    (tmp_path / "c.txt").write_text("third")
    (tmp_path / "no.jpg").write_bytes(b"\xff\xd8")
    assert read(tmp_path) == "first\nsecond\nthird"


def test_what_is_no_text_is_named(tmp_path):
    cases = {
        "missing.txt": None,
        "empty.txt": b"",
        "blank.txt": b" \n ",
        "latin.txt": b"caf\xe9 au lait",
        "binary.txt": b"abc\0def",
    }
    for name, content in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"Received: path=.*{name}"):
            read(tmp_path / name)
    with pytest.raises(ValueError, match="0xe9 at position 3"):
        read(tmp_path / "latin.txt")


def test_a_damaged_file_in_a_folder_is_named(tmp_path):
    (tmp_path / "good.txt").write_text("good")
    (tmp_path / "worse.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"worse\.txt"):
        read(tmp_path)


def test_a_folder_without_text_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"`\*\.txt`.*Received: path="):
        read(tmp_path)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(ValueError, match=r"pipe\.txt"):
        read(tmp_path / "pipe.txt")


def test_a_file_without_read_permission_is_named(tmp_path, monkeypatch):
    file = tmp_path / "secret.txt"
    file.write_text("hidden")

    def refuse(*arguments, **keywords):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ValueError, match=r"Permission denied.*secret\.txt"):
        read(file)


def test_less_text_than_needed_is_refused(tmp_path):
    file = tmp_path / "short.txt"
    file.write_text("x" * 440)
    assert len(read(file, min_characters=440)) == 440
    with pytest.raises(ValueError, match=r"at least 1280 char.*short\.txt' of 440 characters"):
        read(file, min_characters=1280)


def test_more_text_than_allowed_is_refused(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("x" * 60)
    assert len(read(tmp_path, max_bytes=120)) == 121
    with pytest.raises(ValueError, match=r"b\.txt' of 60 bytes, 40 bytes left"):
        read(tmp_path, max_bytes=100)


def write(folder, **texts):
    for name, text in texts.items():
        (folder / f"{name}.txt").write_bytes(text if isinstance(text, bytes) else text.encode())


BAD = {
    "archive": b"PK\3\4 office",
    "empty": b"",
    "gzip": b"\x1f\x8b\x08 packed",
    "latin": b"caf\xe9 au lait",
    "nulls": b"abc\0def",
    "pdf": b"%PDF-1.7 all ASCII",
    "rtf": b"{\\rtf1 all ASCII}",
    "spaces": b" \n\t ",
    "utf16": "text".encode("utf-16"),
    "utf16be": b"\xfe\xff" + "text".encode("utf-16-be"),
    "parquet": b"PAR1 columns PAR1",
}


def test_all_bad_files_are_in_one_message_and_can_be_skipped(tmp_path):
    write(tmp_path, good="good text", **BAD)
    (tmp_path / "link.txt").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.txt")
    bad = sorted([*(f"{name}.txt" for name in BAD), "link.txt", "pipe.txt"])
    with pytest.raises(ValueError) as caught:
        read(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{len(bad)} of {len(bad) + 1} files cannot be used. Expected text")
    assert all(f"\n  {name}: " in message for name in bad) and "skip_bad=True" in message
    splits = data.text_files(tmp_path, validation_fraction=None, skip_bad=True)
    assert splits.training == "good text"
    assert [each["name"] for each in splits.facts["skipped"]] == bad
    assert all(each["reason"] for each in splits.facts["skipped"])
    (tmp_path / "good.txt").unlink()
    with pytest.raises(ValueError, match="13 of 13 files cannot be used"):
        data.text_files(tmp_path, skip_bad=True)


@pytest.mark.parametrize("ending", ["jsonl", "json", "csv", "tsv", "JSONL", "ipynb", "html"])
def test_records_are_no_text(tmp_path, ending):
    (tmp_path / f"data.{ending}").write_text('{"text": "a cat"}\n' * 100)
    with pytest.raises(ValueError, match="holds records, not text: write their text to a .txt"):
        read(tmp_path / f"data.{ending}")
    (tmp_path / "a.md").write_text("a text of another ending")
    there = rf"`\*\.txt`.*2 other files, such as 'data.{ending}'. .{ending} holds records, not text"
    with pytest.raises(ValueError, match=there) as caught:
        read(tmp_path)
    assert "ending" not in str(caught.value)  # another one would not make them text
    (tmp_path / "a.md").unlink()
    (tmp_path / "plain.TXT").write_text("plain")
    splits = data.text_files(tmp_path, None)
    assert splits.training == "plain"
    assert splits.facts["ignored"] == {"count": 1, "names": [f"data.{ending}"]}


def test_records_with_the_ending_of_text_are_no_text(tmp_path):
    records = '{"text": "a {cat}", "id": 1}\n\n {"text": "a dog"}'
    write(tmp_path, good="a cat", records=records, one='{"id": 1}')
    with pytest.raises(ValueError, match="^2 of 3 files.*(?s:.)*each line is a JSON object"):
        read(tmp_path)
    assert read(tmp_path, skip_bad=True) == "a cat"
    write(tmp_path, records=records + "\nand prose", one="{a: set}")
    assert "and prose" in read(tmp_path)


@pytest.mark.parametrize("name", ["notes.md", "thesis.tex", "run.log", "novel"])
def test_a_single_file_of_text_may_have_any_other_ending(tmp_path, name):
    (tmp_path / name).write_text("as it is")
    assert read(tmp_path / name) == "as it is"


def test_what_was_read_is_told(tmp_path):
    write(tmp_path, a="first\rline", b="second", empty="")
    for number in range(12):
        (tmp_path / f"other{number:02}.md").write_text("not read")
    (tmp_path / ".DS_Store").write_bytes(b"hidden")
    splits = data.text_files(tmp_path, None, skip_bad=True)
    assert splits.training == "first\nline\nsecond"
    facts = splits.facts
    assert json.loads(json.dumps(facts)) == facts
    assert facts["source"] == "text_files" and facts["files"] == 2 and facts["characters"] == 16
    assert facts["ignored"]["count"] == 12 and len(facts["ignored"]["names"]) == 10
    assert splits.describe() == [
        "Read text_files: 2 files, 16 characters.",
        "Validation: nothing is held out.",
        "Skipped 1 that cannot be used (empty.txt: it is empty).",
        f"Not read, 12 of another kind: {', '.join(facts['ignored']['names'])}, ....",
    ]


@pytest.mark.parametrize("name", ["digits", "pydoc", "text_files"])
def test_every_source_tells_what_it_read(tmp_path, name):
    write(tmp_path, mine="words " * 100)
    splits = data.get(name)(*([tmp_path] if name == "text_files" else []))
    facts = splits.facts
    assert facts["source"] == name and len(facts["fingerprint"]) == 64 and facts["split"]
    if name == "digits":
        assert facts["images"] == 1797
    else:
        assert facts["characters"] == len(splits.training) + len(splits.validation)
    assert 2 <= len(splits.describe()) <= 5
    assert json.loads(json.dumps(facts)) == facts


def test_whole_files_are_held_out_from_all_over_the_folder(tmp_path):
    texts = [f"<{number:03}>" + "x" * (50 + 7 * number % 40) for number in range(100)]
    write(tmp_path, **{f"{n:03}": text for n, text in enumerate(texts)})
    splits = data.text_files(tmp_path)
    training, validation = splits.training.split("\n"), splits.validation.split("\n")
    assert sorted(training + validation) == texts  # nothing is lost, cut or there twice
    held_out = [texts.index(text) for text in validation]
    assert {number // 20 for number in held_out} == {0, 1, 2, 3, 4}
    assert 0.1 <= len(splits.validation) / sum(map(len, texts)) <= 0.12
    assert f"{len(held_out)} of 100 files" in splits.facts["split"]


@pytest.mark.parametrize("lengths", [(500, 500), (100, 900), (2000, 10, 10, 10), (100,) * 4])
def test_of_few_files_or_a_long_one_each_is_split_at_its_end(tmp_path, lengths):
    write(tmp_path, **{f"{n}": str(n) * length for n, length in enumerate(lengths)})
    splits = data.text_files(tmp_path)
    for n, length in enumerate(lengths):
        assert splits.training.count(str(n)) == length - length // 10
        assert splits.validation.count(str(n)) == length // 10
    assert splits.facts["split"] == "the last 0.1 of each file is held out"


@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.3, 0.5, 0.9])
@pytest.mark.parametrize("count", [1, 2, 3, 7, 11, 40])
def test_a_split_of_any_number_of_files_has_about_the_asked_part(tmp_path, count, fraction):
    generator = np.random.default_rng(count)
    lengths = generator.integers(100, 1000, count)
    write(tmp_path, **{f"{n:02}": "x" * length for n, length in enumerate(lengths)})
    splits = data.text_files(tmp_path, fraction)
    part = splits.validation.count("x") / lengths.sum()
    assert 0.9 * fraction - 0.01 <= part <= 2 * fraction
    assert splits.training.count("x") + splits.validation.count("x") == lengths.sum()
    assert splits.training.strip("\n")


def test_a_folder_too_small_to_be_split_is_an_error(tmp_path):
    write(tmp_path, a="abc", b="abc")
    with pytest.raises(ValueError, match="too short to be split"):
        data.text_files(tmp_path)
    with pytest.raises(ValueError, match="validation_fraction=1.5"):
        data.text_files(tmp_path, 1.5)


def test_the_fingerprint_is_that_of_names_and_contents_wherever_they_are(tmp_path):
    def fingerprint(path, **how):
        return data.text_files(path, None, **how).facts["fingerprint"]

    (tmp_path / "one").mkdir()
    write(tmp_path / "one", a="first", b="second")
    before = fingerprint(tmp_path / "one")
    moved = (tmp_path / "one").rename(tmp_path / "two")
    (moved / "other.md").write_text("not read")
    write(moved, bad=b"\0")
    assert fingerprint(moved, skip_bad=True) == before
    write(moved, a="second", b="first", bad="good")
    (moved / "bad.txt").unlink()
    assert fingerprint(moved) != before
    file = moved / "a.txt"
    assert fingerprint(file) == fingerprint(file.rename(tmp_path / "renamed.txt"))


def test_hidden_folders_and_links_to_folders_are_passed_over(tmp_path):
    write(tmp_path, a="shown")
    (tmp_path / ".git").mkdir()
    write(tmp_path / ".git", b="hidden")
    (tmp_path / "round").symlink_to(tmp_path)
    assert read(tmp_path) == "shown"
