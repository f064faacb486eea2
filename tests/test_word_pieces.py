"""Word pieces: the encoding of GPT-2, each kind of file, and what files from outside may do."""

import json
import pickle
import sys

import keras
import numpy as np
import pytest

import md4keras
from md4keras import tokenizers
from md4keras.tokenizers import END_TOKEN, BytePairTokenizer, ByteTokenizer, CharacterTokenizer
from md4keras.tokenizers.byte_pair_format import BYTE_OF_SYMBOL

pytestmark = pytest.mark.one_backend

CORPUS = [
    "The quick brown fox jumps, and it's what we'll see in 12345 years. " * 20,
    "naïve café 日本語 🙂🙂 x  y\n\n\tz " * 10,
    "  indented\n    more\r\n" * 5,
]
ODD = [
    "",
    " ",
    "a",
    "The quick brown fox",
    "it's we'll they'd IT'S",
    "a  b   c",
    "\n\n x\n\n\ny",
    "tabs\t\tx \t ",
    "x\r\n\r\ny",
    "12345 678",
    "naïve cafe\u0301 日本語",
    "🙂🙂 👩\u200d👩\u200d👧",
    "a\u00a0b \u3000 c\u2028d",
    "trailing  ",
    "  leading",
    "snake_case __name__ [mask 3]",
    "Ωmega ½ ² ٣",
    "\u200bzero\0\x1b\ufffd\ufeff",
    "a" * 300,
]


@pytest.fixture(scope="module")
def pieces():
    return BytePairTokenizer.train(CORPUS, 400, special_tokens=[END_TOKEN, "<pad>"])


@pytest.fixture
def content(pieces):
    return json.loads(json.dumps(pieces.get_config()["content"]))


def gpt2_encode(text, content):
    """`encode` of github.com/openai/gpt-2/blob/master/src/encoder.py, step by step."""
    regex = pytest.importorskip("regex")
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
    symbol_of = {byte: symbol for symbol, byte in BYTE_OF_SYMBOL.items()}
    ranks = {tuple(m.split(" ")): rank for rank, m in enumerate(content["model"]["merges"])}
    found = []
    for word in regex.findall(pattern, text):
        parts = [symbol_of[byte] for byte in word.encode()]
        while True:
            pairs = [pair for pair in zip(parts, parts[1:], strict=False) if pair in ranks]
            if not pairs:
                break
            best, i, joined = min(pairs, key=ranks.get), 0, []
            while i < len(parts):
                hit = tuple(parts[i : i + 2]) == best
                joined.append("".join(best) if hit else parts[i])
                i += 1 + hit
            parts = joined
        found += [content["model"]["vocab"][part] for part in parts]
    return found


@pytest.mark.parametrize("text", ODD)
def test_the_encoding_is_that_of_gpt2_and_goes_back(pieces, content, text):
    tokens = pieces.encode(text)
    assert tokens.dtype == "int32" and tokens.tolist() == gpt2_encode(text, content)
    assert pieces.decode(tokens) == text
    assert b"".join(pieces.bytes_of(token) for token in tokens) == text.encode()


def test_any_text_goes_back(pieces):
    generator = np.random.default_rng(0)
    for _ in range(200):
        codes = generator.choice([128, 0x3000, 0xD800, 0x1F700], 30)
        text = "".join(chr(generator.integers(code)) for code in codes)
        text = text.encode("utf-8", "ignore").decode()  # without halves of surrogate pairs
        assert pieces.decode(pieces.encode(text)) == text
    assert pieces.decode(pieces.encode("a\ud800b")) == "a?b"  # no text in UTF-8


def test_several_texts_and_long_ones_are_encoded_as_each_alone(pieces, content, monkeypatch):
    texts = [*ODD, "".join(CORPUS) * 3]
    alone = [gpt2_encode(text, content) for text in texts]
    for size in (2**16, 10):  # where a long text is cut, and how many go together
        monkeypatch.setattr("md4keras.tokenizers.byte_pair._PIECE", size)
        monkeypatch.setattr("md4keras.tokenizers.byte_pair._TOGETHER", 7 * size)
        assert [tokens.tolist() for tokens in pieces.encode_batch(texts)] == alone
        assert [pieces.encode(text).tolist() for text in texts] == alone
    for tokenizer in (ByteTokenizer(), CharacterTokenizer.from_text("".join(texts))):
        found = tokenizers.encode_batch(tokenizer, texts)
        assert [tokenizer.decode(tokens) for tokens in found] == texts
    assert tokenizers.encode_batch(pieces, []) == []


@pytest.mark.parametrize("text", ["The quick brown fox", "it's we'll", "12345 678", "naïve 日本"])
def test_the_encoding_is_that_of_keras_hub(pieces, content, text):
    hub = pytest.importorskip("keras_hub")
    model = content["model"]
    theirs = hub.models.GPT2Tokenizer(vocabulary=model["vocab"], merges=model["merges"])
    assert np.asarray(theirs(text)).tolist() == pieces.encode(text).tolist()


def test_special_tokens_come_last_and_no_text_is_encoded_to_them(pieces):
    size = pieces.vocabulary_size
    assert (pieces.end_token_id, pieces.padding_id, pieces.mask_token) == (size - 2, size - 1, size)
    assert pieces.special_tokens == {END_TOKEN: size - 2, "<pad>": size - 1}
    text = f"fox{END_TOKEN}fox<pad>"
    assert pieces.encode(text).max() < size - 2 and pieces.decode(pieces.encode(text)) == text
    fox = pieces.encode("fox").tolist()
    asked = pieces.encode(text, special_tokens=True).tolist()
    assert asked == [*fox, size - 2, *fox, size - 1]


def with_end(tokenizer):
    return [*tokenizer.encode("a_b"), tokenizer.end_token_id, *tokenizer.encode("c")]


@pytest.mark.parametrize(
    "tokenizer", [ByteTokenizer(end_token=True), CharacterTokenizer("abc_", end_token=True)]
)
def test_characters_and_bytes_may_have_an_end(tokenizer):
    size = tokenizer.vocabulary_size
    assert tokenizer.end_token_id == size - 1 and tokenizer.mask_token == size
    assert tokenizers.get(tokenizers.serialize(tokenizer)).end_token_id == size - 1
    assert tokenizer.decode(with_end(tokenizer)) == "a_b"
    assert type(tokenizer)().end_token_id is None and type(tokenizer)().padding_id is None
    assert tokenizers.fit("abc", end_token=True).end_token_id == 3


def test_decoding_cuts_at_the_end_and_leaves_padding_out(pieces):
    mask, end, padding = pieces.mask_token, pieces.end_token_id, pieces.padding_id
    fox = pieces.encode("The fox").tolist()
    rows = [[*fox, end, *fox], [padding, *fox, padding], [mask, *fox, mask], [end, mask, *fox]]
    width = max(map(len, rows))
    rows = np.array([[*row, *[padding] * (width - len(row))] for row in rows])
    for decode in (
        pieces.decode,
        lambda *args, **how: tokenizers.decode_masked(pieces, *args, **how),
    ):
        assert decode(rows) == ["The fox", "The fox", "_The fox_", ""]
        assert decode(rows[0], cut=False).startswith(f"The fox{END_TOKEN}The fox")
        assert decode(rows[2], "?", cut=False).startswith("?The fox?<pad>")


def test_a_character_beside_a_mask_may_be_damaged_and_no_more(pieces):
    tokens = pieces.encode("x 日").tolist()
    single = [pieces.encode(chr(0x10348)).tolist(), tokens]  # of four bytes that were never joined
    assert len(single[0]) == 4
    for number in range(4):
        masked = [pieces.mask_token if i == number else t for i, t in enumerate(single[0])]
        found = pieces.decode(masked)
        assert found.count("_") == 1 and set(found) <= {"_", "\ufffd"}
    assert pieces.decode([*tokens, pieces.mask_token, *tokens]) == "x 日_x 日"


def test_training_is_repeatable_and_says_what_it_cannot_do(pieces):
    again = BytePairTokenizer.train(iter(CORPUS), 400, special_tokens=[END_TOKEN, "<pad>"])
    assert again.get_config() == pieces.get_config()
    assert BytePairTokenizer.train("abc", 300).vocabulary_size == 257  # there are no more pairs
    assert BytePairTokenizer.train(["\ud800"], 300).vocabulary_size == 257
    assert BytePairTokenizer.train([], 256, special_tokens=()).decode(range(32, 34)) == "AB"
    with pytest.raises(ValueError, match="from 257 to"):
        BytePairTokenizer.train(CORPUS, 256)
    with pytest.raises(ValueError, match="is a piece of the texts"):
        BytePairTokenizer.train(CORPUS, 400, special_tokens=["x"])


# Files


def test_every_kind_of_file_gives_the_same_tokenizer(pieces, content, tmp_path):
    path = pieces.save(tmp_path / "own" / "tokenizer.json")
    for vocabulary, merges in (("vocab.json", "merges.txt"), ("encoder.json", "vocab.bpe")):
        folder = tmp_path / vocabulary
        folder.mkdir()
        (folder / vocabulary).write_text(json.dumps(content["model"]["vocab"]))
        lines = ["#version: 0.2", *content["model"]["merges"], ""]
        (folder / merges).write_text("\n".join(lines), encoding="utf-8")
        found = tokenizers.load(folder)
        assert found.end_token_id == pieces.end_token_id
        assert found.encode("".join(ODD)).tolist() == pieces.encode("".join(ODD)).tolist()
    for found in (tokenizers.load(path), tokenizers.load(str(path.parent))):
        assert found.get_config() == pieces.get_config()
    config = {"eos_token": {"content": "<pad>"}, "pad_token": "<nowhere>"}
    (path.parent / "tokenizer_config.json").write_text(json.dumps(config))
    assert tokenizers.load(path).end_token == "<pad>"
    assert BytePairTokenizer.from_file(path, end_token=END_TOKEN).end_token == END_TOKEN
    with pytest.raises(ValueError, match="`end_token` is no special token"):
        BytePairTokenizer.from_file(path, end_token="fox")


def test_the_library_itself_reads_what_is_written(pieces, tmp_path):
    library = pytest.importorskip("tokenizers")
    theirs = library.Tokenizer.from_file(str(pieces.save(tmp_path / "tokenizer.json")))
    text = "The quick brown fox it's"
    assert theirs.encode(text).ids == pieces.encode(text).tolist()
    assert theirs.token_to_id(END_TOKEN) == pieces.end_token_id
    assert theirs.decode(theirs.encode(text).ids) == text


def test_a_preset_of_keras_hub(pieces, content, tmp_path):
    hub = pytest.importorskip("keras_hub")
    sizes = dict(num_layers=1, num_heads=1, hidden_dim=2, intermediate_dim=2)
    vocabulary, merges = content["model"]["vocab"], content["model"]["merges"]
    size = len(vocabulary)
    hub.models.GPT2Backbone(size, max_sequence_length=4, **sizes).save_to_preset(str(tmp_path))
    theirs = hub.models.GPT2Tokenizer(vocabulary=vocabulary, merges=merges)
    theirs.save_to_preset(str(tmp_path))
    found = tokenizers.load(tmp_path)
    assert found.vocabulary_size == size and found.end_token_id == pieces.end_token_id
    assert found.encode(ODD[3]).tolist() == pieces.encode(ODD[3]).tolist()
    described = json.loads((tmp_path / "tokenizer.json").read_text())
    described |= {"module": "os", "class_name": "system", "registered_name": "system"}
    described["config"] = {"command": f"touch {tmp_path / 'ran'}"}
    (tmp_path / "tokenizer.json").write_text(json.dumps(described))
    with pytest.raises(ValueError, match="KerasHub cannot read"):
        tokenizers.load(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_added_tokens_that_are_not_special_are_found_in_texts(content, tmp_path):
    size = len(content["model"]["vocab"])
    content["added_tokens"] += [
        {"id": size, "content": "   ", "special": False},
        {"id": size + 1, "content": "<greedy>", "lstrip": True, "special": False},
    ]
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    found = tokenizers.load(tmp_path)
    text = "fox   fox <greedy>"
    tokens = found.encode(text)
    assert size in tokens and size + 1 not in tokens and found.decode(tokens) == text


def test_a_pattern_of_ones_own_cuts_words(content, tmp_path):
    """As of Llama 3 and others: a pattern, then bytes."""
    split = {"type": "Split", "pattern": {"Regex": r"\p{N}{1,2}|\P{N}+"}, "behavior": "Isolated"}
    level = {**content["pre_tokenizer"], "use_regex": False}
    content["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [{**split, "invert": False}, level],
    }
    content["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "NFC"}]}
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    found = tokenizers.load(tmp_path)
    assert found.decode(found.encode("cafe\u0301")) == "café"
    text = "".join(CORPUS) * 9
    assert found.decode(found.encode(text)) == text
    assert len(found.encode("12345")) >= 3


def broken(content, change):
    change(content)
    return json.dumps(content)


HOSTILE = {
    "another kind": lambda c: c["model"].update(type="WordPiece"),
    "no model": lambda c: c.update(model=[]),
    "marks": lambda c: c["model"].update(end_of_word_suffix="</w>"),
    "normalizer": lambda c: c.update(normalizer={"type": "Lowercase"}),
    "a normalizer among others": lambda c: c.update(
        normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Strip"}]}
    ),
    "a normalizer that is none": lambda c: c.update(normalizer=3),
    "no bytes": lambda c: c.update(pre_tokenizer={"type": "Whitespace"}),
    "no pre-tokenizer": lambda c: c.update(pre_tokenizer=None),
    "a prefix": lambda c: c["pre_tokenizer"].update(add_prefix_space=True),
    "too many pre-tokenizers": lambda c: c.update(
        pre_tokenizer={"type": "Sequence", "pretokenizers": [c["pre_tokenizer"]] * 999}
    ),
    "bytes of bytes": lambda c: c.update(
        pre_tokenizer={"type": "Sequence", "pretokenizers": [c["pre_tokenizer"]] * 2}
    ),
    "drops": lambda c: c.update(
        pre_tokenizer={
            "type": "Sequence",
            "pretokenizers": [c["pre_tokenizer"], {"type": "Split", "behavior": "Removed"}],
        }
    ),
    "no vocabulary": lambda c: c["model"].update(vocab=None),
    "a vocabulary that is a list": lambda c: c["model"].update(vocab=["a"]),
    "a huge id": lambda c: c["model"]["vocab"].update(zz=2**40),
    "a negative id": lambda c: c["model"]["vocab"].update(zz=-1),
    "an id twice": lambda c: c["model"]["vocab"].update(zz=0),
    "an id that is no number": lambda c: c["model"]["vocab"].update(zz="0"),
    "an id that is a list": lambda c: c["model"]["vocab"].update(zz=[0]),
    "a byte is missing": lambda c: c["model"]["vocab"].pop("!"),
    "merges of nothing": lambda c: c["model"].update(merges=[["q", "zz"]]),
    "merges that are none": lambda c: c["model"].update(merges={"a": "b"}),
    "merges of three": lambda c: c["model"].update(merges=["a b c"]),
    "merges to a special token": lambda c: (
        c["model"]["vocab"].update({"<pa": 500, "d>": 501}),
        c["model"]["merges"].append("<pa d>"),
    ),
    "added tokens that are none": lambda c: c.update(added_tokens=[3]),
    "added tokens twice": lambda c: c.update(added_tokens=c["added_tokens"] * 2),
    "another id": lambda c: c["added_tokens"][0].update(id=3),
    "a pattern that is none": lambda c: c.update(
        pre_tokenizer={
            "type": "Sequence",
            "pretokenizers": [
                {"type": "Split", "pattern": {"Regex": "("}, "behavior": "Isolated"},
                {**c["pre_tokenizer"], "use_regex": False},
            ],
        }
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_files_that_make_no_tokenizer_are_refused(content, tmp_path, kind):
    (tmp_path / "tokenizer.json").write_text(broken(content, HOSTILE[kind]))
    with pytest.raises(ValueError, match=r"Expected .*Received: .*\. [A-Z]") as error:
        tokenizers.load(tmp_path)
    assert len(str(error.value)) < 1000


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[" * 100_000,
        b"\xff\xfe{",
        b"null",
        b"[]",
        b"{}",
        b'{"class": "os.system", "config": {}}',
        b'{"class": "BytePairTokenizer", "config": {}}',
        b'{"class": "BytePairTokenizer", "config": {"content": {}}}',
        b'{"class_name": "GPT2Tokenizer"}',
        b'{"model": 3}',
    ],
)
def test_files_that_are_something_else_are_refused(tmp_path, data):
    (tmp_path / "tokenizer.json").write_bytes(data)
    with pytest.raises(ValueError, match="Expected .*Received: "):
        tokenizers.load(tmp_path)


def test_files_that_are_too_large_or_missing_are_refused(tmp_path, monkeypatch):
    with open(tmp_path / "tokenizer.json", "wb") as file:
        file.truncate(10**12)  # a file with a hole: none of it may be read into memory
    with pytest.raises(ValueError, match="too large. Expected .* 32 MiB"):
        tokenizers.load(tmp_path)
    for place in (tmp_path / "nowhere", tmp_path / "nowhere.json", "/dev/zero"):
        with pytest.raises(ValueError, match="Expected .*Received: "):
            tokenizers.load(place)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="the folder holds none"):
        tokenizers.load(tmp_path / "empty")


def test_a_pattern_without_end_is_an_error_and_no_crash(content, tmp_path, capfd):
    pattern = {"type": "Split", "pattern": {"Regex": "(a+)+$"}, "behavior": "Isolated"}
    level = {**content["pre_tokenizer"], "use_regex": False}
    content["pre_tokenizer"] = {
        "type": "Sequence",
        "pretokenizers": [{**pattern, "invert": False}, level],
    }
    (tmp_path / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match="cannot cut this text into words"):
        tokenizers.load(tmp_path).encode("a" * 40 + "b")


def test_the_package_is_needed_to_encode_alone(pieces, monkeypatch):
    description = tokenizers.serialize(pieces)
    tokens = pieces.encode("The fox")
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    found = tokenizers.get(description)
    assert found.decode(tokens) == "The fox"
    with pytest.raises(ImportError, match="pip install tokenizers"):
        found.encode("The fox")


def test_workers_get_a_copy(pieces):
    copy = pickle.loads(pickle.dumps(pieces))
    assert copy.encode("The fox").tolist() == pieces.encode("The fox").tolist()


def test_a_saved_model_holds_its_word_pieces(pieces, tmp_path):
    network = md4keras.networks.Transformer(
        pieces.vocabulary_size, 8, num_layers=1, num_heads=1, feature_dim=8
    )
    model = md4keras.MD4(network)
    model.tokenizer = pieces
    md4keras.save_model(model, tmp_path / "run" / "model")
    for found in (
        md4keras.load_model(tmp_path / "run" / "model").tokenizer,
        tokenizers.load(tmp_path / "run" / "model"),
        tokenizers.load(tmp_path / "run"),
    ):
        assert found.get_config() == pieces.get_config()
    assert keras.saving.get_registered_name(type(found)) == "md4keras>BytePairTokenizer"
