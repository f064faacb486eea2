import json

import keras
import numpy as np
import pytest

from md4keras import tokenizers
from md4keras.tokenizers import (
    TEXT8_ALPHABET,
    ByteTokenizer,
    CharacterTokenizer,
    normalise_text8,
)

pytestmark = pytest.mark.one_backend


@pytest.mark.parametrize("text", ["", "a cat", "zebra crossing ahead"])
def test_characters_survive_a_round_trip(text):
    tokenizer = CharacterTokenizer(TEXT8_ALPHABET)
    tokens = tokenizer.encode(text)
    assert tokens.dtype == "int32" and tokens.shape == (len(text),)
    assert tokenizer.decode(tokens) == text


@pytest.mark.parametrize("text", ["plain", "naïve café", "日本語", "a\nb\t", "🙂 ok"])
def test_any_text_survives_bytes_and_its_own_alphabet(text):
    for tokenizer in (ByteTokenizer(), CharacterTokenizer.from_text(text)):
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_an_alphabet_beyond_latin_1_encodes_plain_text_too():
    tokenizer = CharacterTokenizer("hé日")
    assert tokenizer.encode("h").tolist() == [0] and tokenizer.encode("").size == 0
    with pytest.raises(ValueError, match="'x'"):
        tokenizer.encode("x")


def test_tokens_are_places_in_the_alphabet():
    tokenizer = CharacterTokenizer("zyx")
    assert tokenizer.encode("xyz").tolist() == [2, 1, 0]
    assert tokenizer.vocabulary_size == tokenizer.mask_token == 3


def test_masks_are_shown_and_batches_decode_row_by_row():
    tokenizer = CharacterTokenizer("ab")
    assert tokenizer.decode([0, 2, 1]) == "a_b"
    assert tokenizer.decode(np.array([[0, 2], [1, 1]]), mask_symbol="?") == ["a?", "bb"]
    assert ByteTokenizer().decode([104, 256, 105]) == "h_i"


def test_bytes_that_form_no_character_are_replaced():
    assert ByteTokenizer().decode([0xC3, 0x28]) == "\ufffd("


@pytest.mark.parametrize("text", ["abc!def", "abcédef", "abc日def"])
def test_an_unknown_character_is_named_with_its_place(text):
    with pytest.raises(ValueError, match=rf"'{text[3]}' at position 3.*alphabet=' abc"):
        CharacterTokenizer(TEXT8_ALPHABET).encode(text)


@pytest.mark.parametrize("ids", [[3], [-1], [[[0]]], [0.5]])
def test_ids_that_are_no_text_are_refused(ids):
    with pytest.raises(ValueError, match="Received: ids"):
        CharacterTokenizer("ab").decode(ids)


@pytest.mark.parametrize("alphabet", ["", "aba", ["a"], None])
def test_a_bad_alphabet_is_refused(alphabet):
    with pytest.raises(ValueError, match="Received: alphabet="):
        CharacterTokenizer(alphabet)


@pytest.mark.parametrize("tokenizer", [CharacterTokenizer("hé日"), ByteTokenizer()])
def test_a_description_in_json_rebuilds_the_tokenizer(tokenizer):
    description = json.loads(json.dumps(tokenizers.serialize(tokenizer)))
    rebuilt = tokenizers.get(description)
    assert type(rebuilt) is type(tokenizer) and rebuilt.get_config() == tokenizer.get_config()


@pytest.mark.parametrize(
    "description",
    [
        {"class": "os.system", "config": {}},
        {"class": ["CharacterTokenizer"], "config": {}},
        {"class": "ByteTokenizer"},
        {"class": "ByteTokenizer", "config": {"size": 3}},
        {"class": "md4keras>MD4", "config": {}},
        {"class": "WrongTokenizer", "config": {}},
        "os.system",
        None,
    ],
)
def test_only_known_classes_are_built(description):
    with pytest.raises(ValueError, match="Received:"):
        tokenizers.get(description)
    with pytest.raises(ValueError, match="Received:"):
        tokenizers.serialize(description)


def test_the_normalisation_is_that_of_text8():
    assert normalise_text8("In 42 B.C.!") == "in four two b c"
    assert normalise_text8("  café\n\nA1b ") == "caf a one b"
    text = normalise_text8("Any 3 Things?")
    assert normalise_text8(text) == text and set(text) <= set(TEXT8_ALPHABET)


def test_fit_takes_characters_while_they_are_few():
    assert tokenizers.fit("banana").alphabet == "abn"
    many = "".join(chr(0x4E00 + i) for i in range(300))
    assert isinstance(tokenizers.fit(many), ByteTokenizer)


@keras.saving.register_keras_serializable(package="tests")
class Words:
    """A tokenizer with the four members and nothing else; its ids are whole words."""

    def __init__(self, words):
        self.words = words
        self.vocabulary_size = len(words)

    def encode(self, text):
        return [self.words.index(word) for word in text.split()]

    def decode(self, ids):
        return " ".join(self.words[token] for token in ids)

    def get_config(self):
        return {"words": self.words}


@keras.saving.register_keras_serializable(package="tests")
class Shouting(CharacterTokenizer):
    def decode_run(self, ids):
        return super().decode_run(ids).upper()


def test_any_registered_class_is_described_and_built_again():
    for tokenizer, text in ((Words(["a", "cat"]), "cat a"), (Shouting("abc"), "CAB")):
        description = json.loads(json.dumps(tokenizers.serialize(tokenizer)))
        rebuilt = tokenizers.get(description)
        assert type(rebuilt) is type(tokenizer) and rebuilt.get_config() == tokenizer.get_config()
        assert rebuilt.decode(rebuilt.encode(text.lower())) == text


def test_own_descriptions_are_as_they_ever_were():
    for tokenizer in (CharacterTokenizer("ab"), ByteTokenizer()):
        description = {"class": type(tokenizer).__name__, "config": tokenizer.get_config()}
        assert tokenizers.serialize(tokenizer) == description
    assert isinstance(tokenizers.get("ByteTokenizer"), ByteTokenizer)


def test_a_class_that_is_not_registered_is_refused_with_the_way_to_do_it():
    class Mine(CharacterTokenizer):
        pass

    with pytest.raises(ValueError, match=r"not registered.*Mine.*register_keras_serializable"):
        tokenizers.serialize(Mine("ab"))


def test_what_is_missing_is_listed():
    class Half:
        vocabulary_size = 3

        def encode(self, text):
            return [0]

    for use in (tokenizers.serialize, tokenizers.get):
        with pytest.raises(ValueError, match=r"lacks \['decode', 'get_config'\]"):
            use(Half())


@pytest.mark.parametrize("config", [{}, {"words": {1, 2}}, {"words": ["a"]}, {"no": 1}])
def test_a_configuration_that_describes_another_tokenizer_is_refused(config, monkeypatch):
    monkeypatch.setattr(Words, "get_config", lambda self: config)
    with pytest.raises(ValueError, match="does not describe it"):
        tokenizers.serialize(Words(["a", "cat"]))


def test_masks_are_decoded_with_any_tokenizer():
    words = Words(["a", "cat"])
    assert tokenizers.decode_masked(words, [0, 2, 2, 1, 0]) == "a__cat a"
    assert tokenizers.decode_masked(words, [[2, 2], [0, 1]], mask_symbol="?") == ["??", "a cat"]
    assert tokenizers.decode_masked(words, []) == ""
    with pytest.raises(ValueError, match=r"\[0, 3\).*from 3 to 3"):
        tokenizers.decode_masked(words, [3])


@pytest.mark.parametrize("end_token", [False, True])
def test_a_text_is_the_bytes_of_its_tokens(end_token):
    text = "naïve 日本 fox"
    for tokenizer in (
        ByteTokenizer(end_token),
        CharacterTokenizer.from_text(text, end_token),
        tokenizers.BytePairTokenizer.train([text] * 3, 270),
    ):
        found = b"".join(tokenizer.bytes_of(token) for token in tokenizer.encode(text).tolist())
        assert found == text.encode()


def test_an_end_is_added_as_the_last_id_and_once():
    pieces = tokenizers.BytePairTokenizer.train(["a cat sat"] * 9, 270, special_tokens=())
    for tokenizer in (tokenizers.CharacterTokenizer(), tokenizers.ByteTokenizer(), pieces):
        ending = tokenizers.add_end(tokenizer)
        assert ending.end_token_id == tokenizer.vocabulary_size == ending.vocabulary_size - 1
        assert tokenizers.add_end(ending) is ending
        ids = ending.encode("a cat")
        np.testing.assert_array_equal(ids, tokenizer.encode("a cat"))
        row = [*ids, ending.end_token_id, *ids, ending.end_token_id]
        assert ending.decode(row) == tokenizer.decode(ids) == "a cat"
