"""Documents of every kind of file, packed or not, and every way in which a file can be bad."""

import gzip
import json
import resource
import subprocess
import sys

import pytest

from md4keras import data

pytestmark = pytest.mark.one_backend

TEXTS = ["one\ntwo", 'quotes " and, commas', "ünï\tcode"]


def parquet_bytes(columns):
    import pyarrow
    import pyarrow.parquet

    stream = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(pyarrow.table(columns), stream)
    return stream.getvalue().to_pybytes()


def table(texts, delimiter):
    quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
    return "".join(
        f"{n}{delimiter}{t}\n" for n, t in zip(["id", *"abc"], ["text", *quoted], strict=True)
    )


FILES = {
    ".jsonl": "".join(json.dumps({"id": 1, "text": t}) + "\n" for t in TEXTS).encode(),
    ".csv": table(TEXTS, ",").encode(),
    ".tsv": table(TEXTS, "\t").encode(),
    ".parquet": parquet_bytes({"id": [1, 2, 3], "text": TEXTS}),
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("ending", FILES)
def test_records_are_read_with_their_places(tmp_path, ending, packed):
    content = gzip.compress(FILES[ending]) if packed else FILES[ending]
    file = tmp_path / f"a{ending}{'.gz' * packed}"
    file.write_bytes(content)
    read = list(data.documents(file))
    assert [document.text for document in read] == TEXTS
    assert [document.id for document in read] == [f"{file.name}:{n}" for n in (1, 2, 3)]
    assert read == list(data.documents(tmp_path))


def test_a_text_file_is_a_document_and_a_sequence_is_one(tmp_path):
    (tmp_path / "b.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "c.fasta").write_text(">x first one\nACGT\nAC\n\n>y\nTTT\n>z\n")
    (tmp_path / "other.png").write_bytes(b"...")
    read = data.documents(tmp_path)
    assert [tuple(document) for document in read] == [
        ("b.txt", "one\ntwo"),
        ("sub/c.fasta:x", "ACGTAC"),
        ("sub/c.fasta:y", "TTT"),
        ("sub/c.fasta:z", ""),
    ]
    assert [file.name for file in read.ignored] == ["other.png"]


def test_another_field_can_be_named(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "no", "body": "yes"}')
    assert [d.text for d in data.documents(tmp_path, field="body")] == ["yes"]


BAD = {
    "empty.txt": (b"", "it is empty"),
    "empty.jsonl": (b"", "it is empty"),
    "empty.csv": (b"", "it is empty"),
    "no_rows.csv": (b"id,text\n", "it is empty"),
    "empty.fasta": (b"", "it is empty"),
    "binary.txt": (b"a\0b", "zero byte"),
    "latin.txt": ("é".encode("latin-1"), "not UTF-8"),
    "latin.jsonl": (b'{"text": "\xe9"}', "not UTF-8: byte 0xe9 at position 10"),
    "latin.csv": (b"id,text\n1,\xe9\n", "not UTF-8"),
    "wide.jsonl": ("\ufeff{}".encode("utf-16"), "UTF-16"),
    "text.jsonl": (b"hello\n", "line 1 is no JSON"),
    "list.jsonl": (b"[1]\n", "line 1 is no JSON object"),
    "field.jsonl": (b'{"body": "x"}\n', "line 1 has no 'text', but 'body'"),
    "number.jsonl": (b'{"text": 3}\n', "'text' of line 1 is no text"),
    "columns.csv": (b"id,body\n1,x\n", "0 columns 'text' among 'id', 'body'"),
    "ragged.csv": (b"id,text\n1,x,y\n", "row 1 has 3 columns rather than 2"),
    "quotes.csv": (b'id,text\n1,"x"y\n', "line 2 is no row"),
    "columns.parquet": (parquet_bytes({"body": ["x"]}), "no column 'text', but 'body'"),
    "number.parquet": (parquet_bytes({"text": [1]}), "is no text, but int64"),
    "cut.parquet": (FILES[".parquet"][:-9], "damaged, or no Parquet"),
    "noise.fasta": (b"ACGT\n", "before any line that begins with '>'"),
    "plain.txt.gz": (b"hello", "not packed by gzip"),
    "cut.txt.gz": (gzip.compress(b"hello")[:-9], "damaged"),
    "noise.txt.gz": (gzip.compress(b"hello" * 9)[:12] + b"\xff" * 20, "damaged"),
}


def test_all_bad_files_are_named_at_once_and_can_be_skipped(tmp_path):
    for name, (content, _) in BAD.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "good.txt").write_text("fine")
    (tmp_path / "lost.txt").symlink_to(tmp_path / "nowhere")
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(ValueError, match=f"{len(BAD) + 1} of {len(BAD) + 2} files"):
        data.documents(tmp_path)
    read = data.documents(tmp_path, skip_bad=True)
    assert [d.text for d in read] == ["fine"]
    reasons = {bad["name"]: bad["reason"] for bad in read.skipped}
    assert reasons.pop("lost.txt") == "No such file or directory"
    assert set(reasons) == set(BAD)
    for name, (_, words) in BAD.items():
        assert words in reasons[name], (name, reasons[name])


@pytest.mark.parametrize(
    "name, tail, words",
    [
        ("a.jsonl", b"{oops\n", "line 2 is no JSON.*Received: path='.*a.jsonl'"),
        ("a.csv", b"1\n", "row 2 has 1 columns"),
    ],
)
def test_damage_further_down_is_named_when_it_is_reached(tmp_path, name, tail, words):
    head = {"a.jsonl": b'{"text": "x"}\n', "a.csv": b"id,text\n1,x\n"}[name]
    (tmp_path / name).write_bytes(head + tail)
    read = iter(data.documents(tmp_path))
    assert next(read).text == "x"
    with pytest.raises(ValueError, match=words):
        next(read)


def test_no_documents_are_a_clear_error(tmp_path):
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    for path in (tmp_path, tmp_path / "a.pdf", tmp_path / "missing"):
        with pytest.raises(ValueError, match="no documents at this path.*Received: path="):
            data.documents(path)


def test_memory_does_not_grow_with_the_file(tmp_path):
    file = tmp_path / "long.jsonl.gz"
    line = json.dumps({"text": "x" * 10_000}).encode() + b"\n"
    with gzip.open(file, "wb", compresslevel=1) as stream:
        for _ in range(20):
            stream.write(line * 1000)  # 200 MB in all
    code = (
        "import sys, resource; from md4keras import data;"
        "read = data.documents(sys.argv[1]); start = resource.getrusage(0).ru_maxrss;"
        "print(sum(len(d.text) for d in read), resource.getrusage(0).ru_maxrss - start)"
    )
    assert resource.RUSAGE_SELF == 0
    out = subprocess.run([sys.executable, "-c", code, file], capture_output=True, check=True)
    characters, grown = map(int, out.stdout.split()[-2:])
    assert characters == 200_000_000 and grown < 30_000  # kilobytes
