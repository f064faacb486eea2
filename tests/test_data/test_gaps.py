import re
import time

import numpy as np
import pytest

from md4keras.data.gaps import (
    cut,
    fit_to_alphabet,
    mask_words,
    parse_gaps,
    replacements,
    write_gaps,
)
from md4keras.tokenizers import (
    BytePairTokenizer,
    ByteTokenizer,
    CharacterTokenizer,
    normalise_text8,
)

pytestmark = pytest.mark.one_backend

CHARACTERS = CharacterTokenizer()
BYTES = ByteTokenizer()
UNDERSCORED = CharacterTokenizer("_ abcdefghijklmnopqrstuvwxyz")
UNSPACED = CharacterTokenizer("abc")
DNA = CharacterTokenizer("ACGT")


def shown(tokens, mask, tokenizer):
    """The marked text, once tokens and mask agree with each other."""
    assert tokens.dtype == "int32" and mask.dtype == bool and tokens.shape == mask.shape
    np.testing.assert_array_equal(tokens == tokenizer.mask_token, mask)
    return tokenizer.decode(tokens, mask_symbol="#")


@pytest.mark.parametrize(
    "text, expected",
    [
        ("_", "#"),
        ("the ____ sat", "the #### sat"),
        ("[mask]", "#"),
        ("a [mask 12] b", "a ############ b"),
        ("a [MASK:3] b", "a ### b"),
        ("[ Mask : 2 ][mask2] [\tmask 02\n]", "#### ##"),
        ("__[mask 2]_x[mask]", "#####x#"),
    ],
)
def test_gaps_in_every_spelling(text, expected):
    assert shown(*parse_gaps(text, CHARACTERS), CHARACTERS) == expected


@pytest.mark.parametrize("tokenizer", [BYTES, UNDERSCORED])
def test_where_underscores_are_text_three_make_a_gap(tokenizer):
    assert shown(*parse_gaps("a_b __c ___ [mask]", tokenizer), tokenizer) == "a_b __c ### #"
    with pytest.raises(ValueError, match="3 or more underscores"):
        parse_gaps("snake_case __name__", tokenizer)


@pytest.mark.parametrize(
    "text", ["naïve ____ café", "____日本語", "🙂[mask 2]\n", "[mask: ] [masks]___"]
)
def test_all_but_the_gaps_is_encoded_as_ever(text):
    tokens, mask = parse_gaps(text, BYTES)
    rest = text.replace("____", "").replace("___", "").replace("[mask 2]", "")
    np.testing.assert_array_equal(tokens[~mask], BYTES.encode(rest))


@pytest.mark.parametrize("tokenizer", [CHARACTERS, UNDERSCORED, BYTES])
def test_what_is_shown_with_gaps_is_parsed_back(tokenizer):
    rng = np.random.default_rng(0)
    letters = tokenizer.encode("abc xyz")
    for _ in range(20):
        mask = np.repeat(rng.integers(0, 2, 6) == 1, rng.integers(3, 6, 6))
        mask[:3] = True
        tokens = np.where(mask, tokenizer.mask_token, rng.choice(letters, mask.shape))
        parsed, gaps = parse_gaps(tokenizer.decode(tokens), tokenizer)
        np.testing.assert_array_equal(parsed, tokens)
        np.testing.assert_array_equal(gaps, mask)


@pytest.mark.parametrize("text", [None, 3, b"a ____", ["____"], ""])
def test_what_is_no_text_is_refused(text):
    for act in (lambda: parse_gaps(text, CHARACTERS), lambda: mask_words(text, [0], CHARACTERS)):
        with pytest.raises(ValueError, match="Received: text="):
            act()


@pytest.mark.parametrize("text", ["a cat", " ", "[mask", "mask 3"])
def test_a_text_without_a_gap_is_refused(text):
    with pytest.raises(ValueError, match="nothing to fill.*Received: text=.*____"):
        parse_gaps(text, CHARACTERS)


@pytest.mark.parametrize("count", ["0", "000", "9" * 10, "9" * 5000])
def test_a_count_that_makes_no_sense_is_refused(count):
    with pytest.raises(ValueError, match=r"Received: '\[mask "):
        parse_gaps(f"a [mask {count}]", CHARACTERS)


def test_a_text_that_is_too_long_is_refused_before_it_is_built():
    start = time.perf_counter()
    with pytest.raises(ValueError, match="999999999 tokens long, 998999999 too many"):
        parse_gaps("[mask 999999999]", CHARACTERS)
    with pytest.raises(ValueError, match="999999000 tokens long, 998999000 too many"):
        parse_gaps("[mask 999999]" * 1000, CHARACTERS)
    assert time.perf_counter() - start < 5
    with pytest.raises(ValueError, match="9 tokens long, 2 too many.*max_length=7"):
        parse_gaps("é é [mask 3]", BYTES, max_length=7)
    assert len(parse_gaps("é é [mask 3]", BYTES, max_length=9)[0]) == 9


@pytest.mark.parametrize("max_length", [0, -1, 2.5, True, "9"])
def test_a_bad_length_is_refused(max_length):
    with pytest.raises(ValueError, match="Received: max_length="):
        parse_gaps("a _", CHARACTERS, max_length)


@pytest.mark.parametrize("text", ["a [mask 12] Cat", "____É", "ab_[mask:3]日_", "é [mask]"])
def test_an_unknown_character_is_named_with_its_place_in_what_was_typed(text):
    unknown = next(c for c in text if c in "CÉ日é")
    with pytest.raises(ValueError, match=f"'{unknown}' at position {text.index(unknown)}"):
        parse_gaps(text, CHARACTERS)


@pytest.mark.parametrize("text", ["[mask" + " " * 200_000, "[" * 200_000, "[mask 1" * 30_000])
def test_odd_texts_take_no_longer_than_others(text):
    start = time.perf_counter()
    with pytest.raises(ValueError, match="nothing to fill"):
        parse_gaps(text, BYTES)
    assert time.perf_counter() - start < 5


@pytest.mark.parametrize(
    "tokenizer, text, expected",
    [
        (CHARACTERS, "The CAT, ____ [MASK 3].", "the cat  ____ [MASK 3] "),
        (CHARACTERS, "a\nb é", "a b e"),
        (CHARACTERS, "e\u0301 İ É Ŧ 日", "e i e    "),
        (CHARACTERS, "Straße, Æsop’s “Œuvre” ﬁn", "strasse  aesop s  oeuvre  fin"),
        (DNA, "acgt____ggcc", "ACGT____GGCC"),
        (DNA, "ac gt-42 [mask 2] é", "ACGT[mask 2]"),
        (CHARACTERS, "42", "four two"),
        (CHARACTERS, "In 42 B.C.", "in four two b c "),
        (CHARACTERS, "a4b(7)____9 [mask 12]3", "a four b seven ____ nine [mask 12] three"),
        (CHARACTERS, "x² ４ ٣", "x two four three"),
        (CharacterTokenizer(" ABCDEFGHIJKLMNOPQRSTUVWXYZ"), "at 4 pm é", "AT FOUR PM E"),
        (CharacterTokenizer("abc 4"), "Ab4c5 ４", "ab4c  4"),
        (CharacterTokenizer("aé'\"-"), "À“É”’—", 'a"é"\'-'),
        (CharacterTokenizer("abcdefghijklmnopqrstuvwxyz"), "no 4", "no"),
        (UNDERSCORED, "A_B ___ [Mask]", "a_b ___ [Mask]"),
        (UNSPACED, "A bad Cab [mask]!", "abacab[mask]"),
        (CharacterTokenizer("AB"), "Ab", "AB"),
        (BYTES, "As it IS, é ____", "As it IS, é ____"),
        (CHARACTERS, "", ""),
    ],
)
def test_what_was_meant(tokenizer, text, expected):
    assert fit_to_alphabet(text, tokenizer) == expected


@pytest.mark.parametrize("tokenizer", [CHARACTERS, UNSPACED, UNDERSCORED, BYTES])
def test_a_fitted_text_can_be_parsed_with_the_same_gaps_and_needs_no_more_fitting(tokenizer):
    text = "Ünder 3 [mask 2] \t[Mask]Cab ____ 日本"
    fitted = fit_to_alphabet(text, tokenizer)
    assert parse_gaps(fitted, tokenizer)[1].sum() == 7
    assert fit_to_alphabet(fitted, tokenizer) == fitted


@pytest.mark.parametrize("text", ["In 42 B.C.!", "3.14, (2nd) é 10", "1984", "a1b22c333"])
def test_digits_are_spelled_as_in_text8(text):
    fitted = fit_to_alphabet(text, CHARACTERS)
    plain = text.replace("é", "e")
    assert " ".join(fitted.split()) == normalise_text8(plain)
    assert replacements("a4", CHARACTERS) == {"4": "four"}


def test_only_text_is_fitted():
    with pytest.raises(ValueError, match="Received: text=None"):
        fit_to_alphabet(None, CHARACTERS)


def test_without_gaps_to_keep_all_is_text():
    assert fit_to_alphabet("A_b [mask]", CHARACTERS, keep_gaps=False) == "a b  mask "
    assert fit_to_alphabet("___", UNDERSCORED, keep_gaps=False) == "___"


@pytest.mark.parametrize("tokenizer", [CHARACTERS, UNSPACED, UNDERSCORED, BYTES])
@pytest.mark.parametrize("keep_gaps", [True, False])
def test_what_is_replaced_is_told(tokenizer, keep_gaps):
    text = "Cab, ____ [MASK 3]! é"
    changes = replacements(text, tokenizer, keep_gaps)
    assert all(old != new for old, new in changes.items())
    fitted = fit_to_alphabet(text, tokenizer, keep_gaps)
    if keep_gaps:
        assert set(changes) <= set("Cab, ! é")
    else:
        assert "".join(changes.get(character, character) for character in text) == fitted
        assert len(tokenizer.encode(fitted)) > 0


def test_replacements_are_in_the_order_of_the_text():
    changes = replacements("Z, Y [mask]", CHARACTERS)
    assert list(changes.items()) == [("Z", "z"), (",", " "), ("Y", "y")]
    assert replacements("a B", UNSPACED) == {" ": "", "B": "b"}


@pytest.mark.parametrize("max_length", [1, 3, 6, 8, 10, 11, 99])
def test_a_cut_text_is_the_beginning_and_the_rest_is_counted(max_length):
    whole, mask = parse_gaps("a ____ [mask 3]ab", CHARACTERS)
    tokens, kept, left_out = cut(whole, mask, CHARACTERS, max_length)
    np.testing.assert_array_equal(tokens, whole[:max_length])
    np.testing.assert_array_equal(kept, mask[:max_length])
    assert len(tokens) + left_out == len(whole)


def test_no_character_is_cut_in_two():
    text = "né日本🎭___é"
    whole, mask = parse_gaps(text, BYTES)
    for max_length in range(1, len(whole) + 1):
        tokens, kept, left_out = cut(whole, mask, BYTES, max_length)
        assert BYTES.decode(tokens) == text[: len(text) - left_out]
        assert max_length - 3 <= len(tokens) == len(kept) <= max_length
    with pytest.raises(ValueError, match="Received: max_length=0"):
        cut(whole, mask, BYTES, 0)


@pytest.mark.parametrize(
    "words, expected",
    [
        ([0], " ###  cat\nsat "),
        ([2, 1, 2], " the  ###\n### "),
        (iter([np.int64(1)]), " the  ###\nsat "),
    ],
)
def test_words_are_masked_whole_and_nothing_else_is(words, expected):
    tokenizer = CharacterTokenizer.from_text(" the  cat\nsat ")
    assert shown(*mask_words(" the  cat\nsat ", words, tokenizer), tokenizer) == expected


@pytest.mark.parametrize("tokenizer", [CharacterTokenizer.from_text("né à_b 日本 x"), BYTES])
def test_words_are_those_of_split(tokenizer):
    text = "né à_b  日本 x"
    for number, word in enumerate(text.split()):
        tokens, mask = mask_words(text, [number], tokenizer)
        whole = tokenizer.encode(text)
        np.testing.assert_array_equal(tokens[~mask], whole[~mask])
        np.testing.assert_array_equal(whole[mask], tokenizer.encode(word))


def test_masked_words_are_the_gaps_that_one_would_type():
    for masked, typed in zip(
        mask_words("the cat sat", [1, 2], CHARACTERS),
        parse_gaps("the ___ ___", CHARACTERS),
        strict=True,
    ):
        np.testing.assert_array_equal(masked, typed)


class Pairs:
    """A tokenizer of nothing but the four members: two letters a token."""

    vocabulary_size = 26**2

    def encode(self, text):
        if len(text) % 2 or not (text + "a").islower():
            raise ValueError(text)
        codes = [ord(letter) - 97 for letter in text]
        return [26 * a + b for a, b in zip(codes[::2], codes[1::2], strict=True)]

    def decode(self, ids):
        return "".join(chr(97 + i // 26) + chr(97 + i % 26) for i in ids)

    def get_config(self):
        return {}


def test_four_members_are_all_that_a_tokenizer_needs():
    pairs = Pairs()
    tokens, mask = parse_gaps("abcd____ef[mask 2]", pairs)
    np.testing.assert_array_equal(mask, [0, 0, 1, 1, 1, 1, 0, 1, 1])
    assert (tokens[mask] == 26**2).all() and pairs.decode(tokens[~mask]) == "abcdef"
    kept, _, left_out = cut(tokens, mask, pairs, 7)
    assert len(kept) == 7 and left_out == 2
    np.testing.assert_array_equal(mask_words("ab", [0], pairs)[0], [26**2])


@pytest.mark.parametrize("words", [[], [3], [-1], [0.0], [True], "1", 1, None])
def test_words_that_are_not_there_are_refused(words):
    with pytest.raises(ValueError, match="Received: words.*from 0"):
        mask_words("the cat sat", words, CHARACTERS)


def test_unknown_characters_between_words_are_told_with_their_place():
    with pytest.raises(ValueError, match="'_' at position 4"):
        mask_words("the _at", [0], CHARACTERS)


def test_messages_show_the_text_that_was_typed():
    tokenizer = CharacterTokenizer()
    for typed in ("Not a gap", "\u0301"):  # an accent alone is dropped
        fitted = fit_to_alphabet(typed, tokenizer)
        with pytest.raises(ValueError, match=re.escape(f"Received: text={typed!r}")):
            parse_gaps(fitted, tokenizer, shown=typed)


# Word pieces


PIECES = BytePairTokenizer.train(["the cat sat on the mat, and the hat sat too. " * 9], 300)


def piece_texts(tokens, mask):
    """The text of each run of tokens that were given."""
    runs = np.split(np.arange(len(tokens)), np.flatnonzero(np.diff(mask)) + 1)
    return [PIECES.decode(tokens[run]) for run in runs if not mask[run[0]]]


@pytest.mark.parametrize(
    "text, given, count",
    [
        ("the ____ sat", ["the", " sat"], 4),  # its space belongs to what is filled in
        ("the [mask 2] sat", ["the", " sat"], 2),
        ("the  ____ sat", ["the ", " sat"], 4),
        ("the\n____", ["the\n"], 4),
        ("____ ____ sat", [" sat"], 8),
        (" ____sat", ["sat"], 4),
        ("a__b __c [mask]", ["a__b __c"], 1),
        ("th___hat", ["th", "hat"], 3),
    ],
)
def test_gaps_among_word_pieces(text, given, count):
    tokens, mask = parse_gaps(text, PIECES)
    assert piece_texts(tokens, mask) == given and mask.sum() == count
    np.testing.assert_array_equal(tokens == PIECES.mask_token, mask)


def test_words_are_masked_with_their_spaces():
    text = "the cat sat on\nthe mat"
    tokens, mask = mask_words(text, [0, 2, 3, 4], PIECES)
    assert piece_texts(tokens, mask) == [" cat", "\n", " mat"]
    np.testing.assert_array_equal(tokens[~mask], PIECES.encode(text)[~mask])  # nothing else moves
    assert mask.sum() == sum(len(PIECES.encode(word)) for word in ("the", " sat", " on", "the"))


@pytest.mark.parametrize(
    "tokenizer",
    [CHARACTERS, BYTES, UNDERSCORED, PIECES],
    ids=["characters", "bytes", "underscored", "pieces"],
)
def test_gaps_are_written_as_they_are_read(tokenizer):
    generator = np.random.default_rng(0)
    texts = ["the cat sat on the mat", "a", "cat"] + ["x_y _z", "naïve 日"] * (
        tokenizer in (BYTES, PIECES)
    )
    for text in texts:
        for _ in range(20):
            tokens = tokenizer.encode(text)
            if tokenizer is BYTES and not text.isascii():  # bytes of a character go together
                mask = np.zeros(len(tokens), bool) | (generator.random() < 0.5)
            else:
                mask = generator.random(len(tokens)) < 0.5
            if tokenizer is PIECES:  # a part of a word is encoded on its own
                mask = np.array([PIECES.bytes_of(t)[:1] == b" " for t in tokens]) & mask
            if not mask.any():
                mask[-1] = True
            masked = np.where(mask, tokenizer.mask_token, tokens)
            found, where = parse_gaps(write_gaps(masked, tokenizer), tokenizer)
            assert tokenizer.decode(found) == tokenizer.decode(masked)
            np.testing.assert_array_equal(where.sum(), mask.sum())
    assert write_gaps([], tokenizer) == ""


def test_word_pieces_lack_no_character_and_are_cut_between_characters():
    assert replacements("日本 É\n_", PIECES) == {}
    tokens, mask = parse_gaps("the cat 日本 ___", PIECES)
    for most in range(1, len(tokens)):
        kept, _, left_out = cut(tokens, mask, PIECES, most)
        assert (
            most - 3 <= len(kept) <= most and "\ufffd" not in PIECES.decode(kept) or len(kept) < 3
        )
        assert PIECES.decode(kept) == PIECES.decode(tokens)[: -left_out or None] or len(kept) < 3
