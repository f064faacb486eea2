"""Zero-shot rows of texts in memory: the field's conventions by hand, and each change."""

import numpy as np
import pytest

from md4keras import data
from md4keras.data import Blocks, Conventions, zero_shot
from md4keras.data.rows import InMemory
from md4keras.data.zero_shot_facts import is_gpt2
from md4keras.tokenizers import BytePairTokenizer, ByteTokenizer, CharacterTokenizer

pytestmark = pytest.mark.one_backend

RNG = np.random.default_rng(0)
END = 9
DOCUMENTS = [RNG.integers(0, 9, n).tolist() for n in (5, 1, 0, 12, 3, 0, 7)]
LETTERS = CharacterTokenizer("abcdefgh ", end_token=True)  # a is 0, ..., the end 9
E = LETTERS.end_token_id


def by_hand(documents, length, end=END):
    """The rows, and what is left, one token after another."""
    stream = []
    for number, document in enumerate(documents):
        stream += ([end] if number else []) + list(document)
    rows = []
    while len(stream) >= length - 2:
        rows.append([end, *stream[: length - 2], end])
        stream = stream[length - 2 :]
    return rows, stream


@pytest.mark.parametrize("length", [3, 4, 7, 11, 20, 36])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_blocks_begin_and_end_with_the_end_token(length, batch_size):
    blocks = Blocks(length, END)
    documents = InMemory(DOCUMENTS, keep_empty=True)
    rows, rest = by_hand(DOCUMENTS, length)
    batches = list(blocks.batches(documents, batch_size, training=False))
    assert all(batch.keys() == {"tokens"} for batch in batches)
    assert np.concatenate([batch["tokens"] for batch in batches]).tolist() == rows
    assert blocks.cut(documents) == (len(rows), sum(map(len, DOCUMENTS)) + 6, len(rest), 0)


def test_in_training_each_block_comes_once_an_epoch():
    documents = InMemory(DOCUMENTS)
    rows, _ = by_hand([d for d in DOCUMENTS if d], 4)
    batches = iter(Blocks(4, END).batches(documents, len(rows), training=True))
    first, second = (next(batches)["tokens"].tolist() for _ in range(2))
    assert sorted(first) == sorted(second) == sorted(rows) and first != second


def test_the_usual_way():
    found = zero_shot(["abc", "", "d"], LETTERS, length=5)
    assert found.tokens.tolist() == [[E, 0, 1, 2, E], [E, E, E, 3, E]][:2]
    assert found.tokens.dtype == "int32" and found.padding_mask.all() and len(found) == 2
    facts = found.facts
    assert (facts["documents"], facts["empty_documents"]) == (3, 1)
    assert (facts["words"], facts["words_detokenized"]) == (2, 2)
    assert (facts["tokens"], facts["joined_tokens"], facts["tokens_per_word"]) == (4, 6, 5.0)
    assert (facts["blocks"], facts["dropped_tokens"], facts["padding"]) == (2, 0, 0)
    assert facts["end_tokens"] == "between documents and at both ends of a block"
    assert facts["changed"] == [
        "CharacterTokenizer (10 ids) rather than GPT-2's tokens",
        "blocks of 5 tokens rather than 1,024",
    ]
    assert found.describe() == [
        "texts of your own: 3 documents (a document each), 2 words, 4 tokens; detokeniser: none",
        "2 blocks of 5 tokens, end-of-text token between documents and at both ends of a block; 0 "
        "tokens dropped, 0 positions padded",
        "other than usual: CharacterTokenizer (10 ids) rather than GPT-2's tokens; blocks of 5 "
        "tokens rather than 1,024",
    ]


@pytest.mark.parametrize(
    "conventions, rows, told",
    [
        (
            Conventions(ends=False),
            [[0, 1, 2, E], [E, 3, E, 4]],
            "blocks that do not begin and end with the end-of-text token",
        ),
        (
            Conventions(between=False),
            [[E, 0, 1, E], [E, 2, 3, E], [E, 4, 5, E], [E, 6, 7, E]],
            "no end-of-text token between documents",
        ),
        (
            Conventions(keep_empty=False),
            [[E, 0, 1, E], [E, 2, E, E], [E, 3, E, E], [E, 4, 5, E], [E, 6, 7, E]],
            "empty documents left out",
        ),
        (
            Conventions(keep_last=True),
            [[E, 0, 1, E], [E, 2, E, E], [E, E, 3, E], [E, E, 4, E], [E, 5, 6, E], [E, 7, E]],
            "the last short block kept, with 1 positions of padding, rather than dropped",
        ),
    ],
)
def test_a_change_is_done_and_told(conventions, rows, told):
    texts = ["abc", "", "d", "efgh"]
    usual = zero_shot(texts, LETTERS, 4).facts["changed"]
    found = zero_shot(texts, LETTERS, 4, conventions=conventions)
    real = [row[mask].tolist() for row, mask in zip(found.tokens, found.padding_mask, strict=True)]
    assert real == rows
    assert [words for words in found.facts["changed"] if words not in usual] == [told]
    inside = sum(map(len, rows)) - 2 * len(rows) * conventions.ends
    assert found.facts["dropped_tokens"] == found.facts["joined_tokens"] - inside


def test_texts_of_ones_own_take_any_detokeniser():
    how = Conventions(detokenize="lambada")
    found = zero_shot(["“a” "], ByteTokenizer(end_token=True), 6, conventions=how)
    assert found.tokens.tolist() == [[256, *b'\n"a"', 256]]
    assert found.facts["detokenizer"] == "lambada"


def test_a_set_that_is_shorter_than_a_block_is_padded():
    found = zero_shot(["ab", "c"], LETTERS, length=10)
    assert found.tokens[:, :6].tolist() == [[E, 0, 1, E, 2, E]] and found.tokens.shape == (1, 10)
    assert found.padding_mask.tolist() == [[True] * 6 + [False] * 4]
    (batch,) = found.batches(8)
    np.testing.assert_array_equal(batch["padding_mask"], found.padding_mask)
    assert (found.facts["dropped_tokens"], found.facts["padding"]) == (0, 4)
    assert any("shorter than a block" in words for words in found.facts["changed"])
    exact = zero_shot(["ab", "c"], LETTERS, length=6)
    assert exact.padding_mask.all() and exact.facts["padding"] == 0


def test_a_tokenizer_without_an_end_is_told():
    found = zero_shot(["abc", "de"], CharacterTokenizer("abcde"), length=3)
    assert found.tokens.tolist() == [[0, 1, 2]] and found.facts["dropped_tokens"] == 2
    assert "no end-of-text token, as the tokenizer has none" in found.facts["changed"]
    assert found.facts["end_tokens"] == "nowhere"


def test_word_pieces_are_of_each_document_alone():
    pieces = BytePairTokenizer.train(["a cat sat on a mat"] * 9, vocabulary_size=270)
    texts = ["a cat sat", " on a", "mat"]
    rows, rest = by_hand(map(pieces.encode, texts), 5, pieces.end_token_id)
    found = zero_shot(texts, pieces, 5)
    assert found.tokens.tolist() == rows and found.facts["dropped_tokens"] == len(rest)


def test_gpt2_is_known_by_its_ids():
    class Pieces(ByteTokenizer):
        def bytes_of(self, token):
            return {15496: b"Hello", 995: b" world"}[token]

    pieces = Pieces()
    assert not is_gpt2(pieces) and not is_gpt2(ByteTokenizer(end_token=True))
    pieces.end_token_id, pieces.vocabulary_size = 50256, 50257
    assert is_gpt2(pieces)
    assert zero_shot(["a" * 3000], pieces).facts["changed"] == []


@pytest.mark.parametrize(
    "arguments, words",
    [
        (([], LETTERS), "The set is empty.*Received: 0 documents.*Check where"),
        (("lambada", LETTERS, 5, "validation", None, 5), "Expected a folder. Received: copy=5"),
        ((["", ""], LETTERS), "The set is empty.*Received: 2 documents"),
        ((["a"],), "Texts need a tokenizer.*Pass model.tokenizer"),
        ((["a"], LETTERS, 2), "sequence_length=2.*one more at each of its ends"),
        (
            ("wikitext2", LETTERS),
            "texts of wikitext2 are not here.*data prepare wikitext2",
        ),
        ((None, LETTERS), "`source` cannot be used.*Expected a list.*Received: source=None"),
        (([1, 2], LETTERS), "`source` cannot be used.*Expected a list of strings.*Received: 1 am"),
        (
            (["a"], LETTERS, 5, "validation", {"ends": False}),
            "`conventions` cannot be used.*Received: conventions={'ends': False}",
        ),
        (
            ("lambada", LETTERS, 5, "validation", None, "nowhere"),
            "cannot be read.*nowhere'. Name another: copy=FOLDER",
        ),
        (("nowhere", LETTERS), "There is no prepared data set"),
    ],
)
def test_a_mistake_is_told(arguments, words):
    with pytest.raises(ValueError, match=words):
        zero_shot(*arguments)


def test_the_tokenizer_is_that_of_the_vocabulary():
    assert len(zero_shot(["abc"], LETTERS, 5, vocabulary_size=10)) == 1
    with pytest.raises(ValueError, match="one of 50,257 ids. Received: a CharacterTok.*10"):
        zero_shot(["abc"], LETTERS, 5, vocabulary_size=50257)


def test_the_sets_are_known_by_name():
    names = {"lambada", "wikitext2", "wikitext103", "ptb", "lm1b", "ag_news", "pubmed", "arxiv"}
    assert set(data.ZERO_SHOT_SETS) == names <= set(data.SOURCES)
