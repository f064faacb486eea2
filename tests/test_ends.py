"""A text ends with its end token: what stands behind it is neither shown nor counted."""

import json
import math

import numpy as np
import pytest

import md4keras
from md4keras import cli, networks, tokenizers
from md4keras.evaluation import variety

pytestmark = pytest.mark.one_backend

LENGTH = 8
BYTES = tokenizers.ByteTokenizer(end_token=True)
DOCUMENTS = ["the quick fox", "a lazy dog", "naïve", "the fox is a dog and so on"]


def save(folder, tokenizer):
    network = networks.Transformer(
        tokenizer.vocabulary_size, LENGTH, num_layers=1, num_heads=2, feature_dim=8
    )
    model = md4keras.MD4(network)
    model.tokenizer = tokenizer
    md4keras.save_model(model, folder)
    return model


@pytest.fixture
def ask(capsys):
    def asked(*words):
        capsys.readouterr()
        assert cli.main([*map(str, words), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return asked


def test_the_tokens_of_a_text_are_those_until_its_end():
    end = BYTES.end_token_id
    rows = np.array([[97, end, 98, end], [97, 98, 99, 100], [end, 97, 97, 97]])
    found = [row.tolist() for row in tokenizers.until_end(BYTES, rows)]
    assert found == [[97, end], [97, 98, 99, 100], [end]]
    assert tokenizers.until_end(BYTES, rows[0]).tolist() == [97, end]
    assert tokenizers.until_end(BYTES, rows[0].tolist()).tolist() == [97, end]
    assert [len(row) for row in tokenizers.until_end(BYTES, [rows[0], rows[1][:3]])] == [2, 3]
    endless = tokenizers.ByteTokenizer()
    assert [len(row) for row in tokenizers.until_end(endless, rows % 256)] == [4, 4, 4]


def test_an_end_in_a_gap_hides_nothing_that_was_given():
    end = BYTES.end_token_id
    filled = np.array([False, True, False, True, True])
    rows = np.array([[97, end, 98, 99, 100], [97, 98, 99, end, 100]])
    found = [row.tolist() for row in tokenizers.until_end(BYTES, rows, filled)]
    assert found == [[97, end, 98, 99, 100], [97, 98, 99, end]]
    assert tokenizers.until_end(BYTES, rows[0], ~filled).tolist() == rows[0].tolist()
    assert tokenizers.until_end(BYTES, rows[0], filled | True).tolist() == [97, end]
    apart = tokenizers.until_end(BYTES, list(rows), [filled, ~filled])
    assert [len(row) for row in apart] == [5, 5]
    assert BYTES.decode(rows, filled=filled) == ["abcd", "abc"]
    assert BYTES.decode(rows[0], filled=filled) == "abcd"
    assert tokenizers.decode_masked(BYTES, rows, filled=np.stack([filled, ~filled])) == [
        "abcd",
        "abcd",
    ]
    from md4keras.export.text import GraphDecoder

    graph = GraphDecoder(BYTES)
    texts = graph.decode(rows.astype("int32"), np.stack([filled] * 2)).numpy().tolist()
    assert texts == [b"abcd", b"abc"]
    assert graph.decode(rows.astype("int32")).numpy().tolist() == [b"a", b"abc"]
    with pytest.raises(ValueError, match="`filled` is a mask"):
        BYTES.decode(rows, filled=filled[:3])
    with pytest.raises(ValueError, match="`filled` is a mask"):
        BYTES.decode(rows[0], filled=filled.astype(int))


def test_drawn_texts_are_counted_until_their_end(ask, tmp_path):
    tokenizer = tokenizers.CharacterTokenizer("abc", end_token=True)
    model = save(tmp_path / "model", tokenizer)
    how = {"num_steps": 2, "seed": 3}
    words = ["generate", tmp_path / "model", "--num-samples", 6, "--num-steps", 2, "--seed", 3]
    found, drawn = ask(*words), model.generate(6, **how)
    assert found["text"] == tokenizer.decode(drawn)
    ends = [row.tolist().index(3) + 1 if 3 in row else LENGTH for row in drawn]
    assert found["text_tokens"] == ends and len(set(ends)) > 1


def test_a_long_text_is_drawn_until_all_have_ended(ask, tmp_path, monkeypatch):
    model, blocks = save(tmp_path / "model", BYTES), []

    def generate_blocks(self, num_samples, length, labels, **how):
        for number in range(length // 4):
            block = np.full((num_samples, 4), 97)
            if number < num_samples:
                block[number, 1] = 256
            blocks.append(block)
            yield block

    monkeypatch.setattr(type(model), "generate_blocks", generate_blocks)
    words = ["generate", tmp_path / "model", "--num-samples", 3, "--length", 40, "--seed", 1]
    found = ask(*words)
    assert len(blocks) == 3 and found["text_tokens"] == [2, 6, 10]
    assert found["text"] == ["a", "a" * 5, "a" * 9]


def test_bits_per_character_are_of_the_documents_characters(ask, tmp_path):
    """Whereas the bits are those of the tokens, which have the ends among them."""
    pieces = tokenizers.BytePairTokenizer.train(DOCUMENTS * 3, vocabulary_size=280)
    save(tmp_path / "model", pieces)
    lines = "".join(json.dumps({"text": text}) + "\n" for text in DOCUMENTS)
    (tmp_path / "documents.jsonl").write_text(lines)
    data = ["--data", tmp_path / "documents.jsonl", "--num-draws", 2]
    found = ask("evaluate", tmp_path / "model", *data)
    assert found["dimensions"] == sum(len(pieces.encode(text)) + 1 for text in DOCUMENTS)
    text = "".join(DOCUMENTS)
    assert found["characters"] == len(text) and found["bytes"] == len(text.encode())
    bits = found["bits_per_dim"] * found["dimensions"]
    assert found["bits_per_character"] == pytest.approx(bits / len(text))
    assert found["perplexity"] == pytest.approx(math.exp(found["nats_per_dim"]))


def test_variety_is_that_of_texts_of_any_lengths():
    texts = [[1, 2], [1, 2, 0], [1, 2], [3]]
    assert variety.distinct_fraction(texts) == 0.75
    assert variety.token_entropy([[1, 2], [1, 2, 3, 3]]) == pytest.approx(math.log2(3))
    ended = tokenizers.until_end(BYTES, np.array([[97, 256, 5], [97, 256, 6]]))
    assert variety.distinct_fraction(ended) == 0.5 and variety.token_entropy(ended) == 1.0


def test_exponents_of_special_tokens_go_by_their_names():
    model = md4keras.GenMD4(networks.Transformer(4, LENGTH, 1, 1, 8))
    model.tokenizer = tokenizers.CharacterTokenizer("abc", end_token=True)
    assert sorted(model.power_by_token()) == [tokenizers.END_TOKEN, "a", "b", "c"]
