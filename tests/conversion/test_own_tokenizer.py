"""Tokenizers of converted models: the mask is no token, and each value of the model is one."""

import json
import sys

import numpy as np
import pytest

from md4keras import tokenizers
from md4keras.conversion.own_tokenizer import choose, fitted
from md4keras.tokenizers import BytePairTokenizer, ByteTokenizer, CharacterTokenizer, without_token
from tests.conversion.hub_double import word_pieces

pytestmark = pytest.mark.one_backend
pytest.importorskip("tokenizers")

SPECIAL = ("<|start|>", "<|endoftext|>", "<|mask|>", "<|user|>")
TEXT = "the cat sat on the mat"


@pytest.fixture
def published():
    """As LLaDA's: the mask lies before the last special tokens."""
    return word_pieces(280, SPECIAL)


def test_without_the_mask_later_ids_move_down(published):
    mask, size = published.special_tokens["<|mask|>"], published.vocabulary_size
    ours = without_token(published, mask)
    assert mask == size - 2 and ours.vocabulary_size == size - 1
    expected = {name: n - (n > mask) for name, n in published.special_tokens.items()}
    del expected["<|mask|>"]
    assert ours.special_tokens == expected
    assert (ours.end_token, ours.end_token_id) == (published.end_token, published.end_token_id)
    np.testing.assert_array_equal(ours.encode(TEXT), published.encode(TEXT))
    typed = ours.encode("a cat<|user|>sat", special_tokens=True)
    assert expected["<|user|>"] in typed and ours.decode(typed) == "a cat<|user|>sat"
    again = tokenizers.get(json.loads(json.dumps(tokenizers.serialize(ours))))
    assert again.special_tokens == ours.special_tokens


def test_pieces_that_follow_the_mask_move_too():
    """The mask's id among ordinary pieces: texts are encoded to ids that are lower by one."""
    plain = word_pieces(270, ())
    content = plain.get_config()["content"]
    pieces = {piece: n + (n >= 100) for piece, n in content["model"]["vocab"].items()}
    added = [{"id": 100, "content": "<|mask|>", "special": True}]
    model = {**content["model"], "vocab": pieces}
    published = BytePairTokenizer({**content, "added_tokens": added, "model": model})
    assert published.vocabulary_size == plain.vocabulary_size + 1
    ours = without_token(published, 100)
    np.testing.assert_array_equal(ours.encode(TEXT), plain.encode(TEXT))
    assert ours.decode(ours.encode(TEXT)) == TEXT and max(published.encode(TEXT)) > 100
    assert ours.vocabulary_size == plain.vocabulary_size


def test_an_id_that_no_token_has_is_left_out(published):
    content = published.get_config()["content"]
    added = content["added_tokens"][:-1] + [{"id": 300, "content": "<|x|>", "special": True}]
    vocabulary = {k: v for k, v in content["model"]["vocab"].items() if k != "<|user|>"}
    content = {**content, "added_tokens": added, "model": {**content["model"], "vocab": vocabulary}}
    holes = BytePairTokenizer(content, "<|endoftext|>")
    assert without_token(holes, 290).special_tokens["<|x|>"] == 299


@pytest.mark.parametrize("name", ["<|endoftext|>", "a"])
def test_needed_tokens_are_not_left_out(published, name):
    token = published.get_config()["content"]["model"]["vocab"][name]
    with pytest.raises(ValueError, match="This token is needed.*Check the mask's id"):
        without_token(published, token)


@pytest.mark.parametrize("token", [-1, 280, True, None])
def test_what_is_no_id(published, token):
    with pytest.raises(ValueError, match="`token` cannot be used"):
        without_token(published, token)


def test_only_word_pieces_lose_a_token():
    with pytest.raises(ValueError, match="Only of word pieces"):
        without_token(ByteTokenizer(), 3)


class TestFitted:
    def test_spare_rows_and_the_mask_in_the_middle(self, published):
        mask = published.special_tokens["<|mask|>"]
        ours = fitted(published, vocabulary_size=300, published_mask=mask)
        assert ours.vocabulary_size == 300 and "<|mask|>" not in ours.special_tokens
        assert ours.special_tokens["<|user|>"] == 278
        np.testing.assert_array_equal(ours.encode(TEXT), published.encode(TEXT))

    def test_the_mask_as_the_last_token(self, published):
        last = word_pieces(280, ("<|endoftext|>", "<|mask|>"))
        for tokenizer in (last, word_pieces(279)):
            ours = fitted(tokenizer, vocabulary_size=279, published_mask=None)
            assert ours.vocabulary_size == 279 and ours.end_token_id is not None

    def test_a_mask_that_the_tokenizer_does_not_know(self, published):
        ours = fitted(published, vocabulary_size=300, published_mask=290)
        assert ours.vocabulary_size == 300 and "<|mask|>" in ours.special_tokens

    @pytest.mark.parametrize(
        "tokenizer", [ByteTokenizer(), CharacterTokenizer(), word_pieces(290, SPECIAL)], ids=type
    )
    def test_that_of_another_model(self, tokenizer):
        with pytest.raises(ValueError, match="(not the one of this model|token is needed|Only of)"):
            fitted(tokenizer, vocabulary_size=259, published_mask=None)

    def test_equal_sizes_need_nothing(self):
        tokenizer = CharacterTokenizer()
        assert fitted(tokenizer, 27, None) is tokenizer and fitted(None, 27, 3) is None


class TestChoice:
    def test_the_folder_s_own(self, published, tmp_path):
        published.save(tmp_path / "tokenizer.json")
        found = choose(None, tmp_path)
        assert found.special_tokens == published.special_tokens
        assert choose("none", tmp_path) is None

    def test_two_files_of_gpt2(self, tmp_path):
        content = word_pieces(270, ()).get_config()["content"]["model"]
        (tmp_path / "vocab.json").write_text(json.dumps(content["vocab"]))
        (tmp_path / "merges.txt").write_text("\n".join(content["merges"]))
        assert choose(None, tmp_path).decode(choose(None, tmp_path).encode(TEXT)) == TEXT

    def test_none_where_there_is_none(self, tmp_path):
        assert choose(None, tmp_path) is None and choose(None, None) is None
        (tmp_path / "vocab.json").write_text("{}")
        assert choose(None, tmp_path) is None

    def test_a_name_or_another(self, published, tmp_path):
        assert isinstance(choose("bytes", tmp_path), ByteTokenizer)
        assert choose(published, tmp_path) is published

    @pytest.mark.parametrize(
        "content",
        [
            {"class": "ByteTokenizer", "config": {}},
            {"class_name": "GPT2Tokenizer", "registered_name": "keras_hub>GPT2Tokenizer"},
        ],
        ids=lambda content: [*content][0],
    )
    def test_a_folder_chooses_no_class(self, tmp_path, content, monkeypatch):
        monkeypatch.setitem(sys.modules, "keras_hub", None)
        (tmp_path / "tokenizer.json").write_text(json.dumps(content))
        with pytest.raises(ValueError, match="tokenizer.json cannot be used: it has no model"):
            choose(None, tmp_path)

    def test_a_link_out_of_the_folder(self, published, tmp_path, tmp_path_factory):
        elsewhere = published.save(tmp_path_factory.mktemp("elsewhere") / "tokenizer.json")
        (tmp_path / "tokenizer.json").symlink_to(elsewhere)
        with pytest.raises(ValueError, match="is a link out of its folder"):
            choose(None, tmp_path)
