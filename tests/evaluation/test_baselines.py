import numpy as np
import pytest

from md4keras import data, tokenizers
from md4keras.evaluation.baselines import (
    BASELINES,
    NGram,
    PixelHistogram,
    measure,
    ngram_bits,
)

pytestmark = pytest.mark.one_backend


def markov_chain(transition, length, seed):
    rng = np.random.default_rng(seed)
    cumulative, uniforms = np.cumsum(transition, 1), rng.random(length)
    tokens = np.zeros(length, "int32")
    for i in range(1, length):
        tokens[i] = np.searchsorted(cumulative[tokens[i - 1]], uniforms[i])
    return tokens


def entropy(p):
    return float(-(p * np.log2(p)).sum())


TRANSITION = np.array([[0.9, 0.1], [0.3, 0.7]])
STATIONARY = np.array([0.75, 0.25])
ENTROPY_RATE = STATIONARY @ [entropy(row) for row in TRANSITION]


@pytest.mark.parametrize(
    "order, expected", [(1, entropy(STATIONARY)), (2, ENTROPY_RATE), (3, ENTROPY_RATE)]
)
def test_a_markov_source_costs_its_entropy(order, expected):
    model = NGram(order).fit(markov_chain(TRANSITION, 40_000, seed=0), 2)
    bits = model.bits_per_character(markov_chain(TRANSITION, 40_000, seed=1))
    assert bits == pytest.approx(expected, abs=0.015)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_are_positive_and_sum_to_one(order):
    model = NGram(order).fit(np.array([0, 1, 2, 0, 1, 2, 2]), vocabulary_size=5)
    p = model.probabilities()
    assert p.shape == (5,) * order and (p > 0).all()
    np.testing.assert_allclose(p.sum(-1), 1)


def test_the_cost_is_the_chain_of_conditional_probabilities():
    training = np.random.default_rng(0).integers(0, 4, 200)
    one, two, three = (NGram(order).fit(training, 4) for order in (1, 2, 3))
    x = np.array([3, 1, 0, 2, 2])
    expected = -np.log2(one.probabilities()[3]) - np.log2(two.probabilities()[3, 1])
    expected -= sum(np.log2(three.probabilities()[tuple(x[i - 2 : i + 1])]) for i in (2, 3, 4))
    assert three.bits_per_character(x) == pytest.approx(expected / 5)


def test_uniform_noise_costs_the_logarithm_of_the_vocabulary():
    rng = np.random.default_rng(0)
    bits = ngram_bits(rng.integers(0, 8, 50_000), rng.integers(0, 8, 20_000), 8)
    assert list(bits) == ["unigram", "bigram", "trigram"]
    np.testing.assert_allclose(list(bits.values()), 3, atol=0.02)


def test_the_shipped_text_has_the_expected_yardsticks():
    tokenizer = tokenizers.CharacterTokenizer()
    bits = measure(data.pydoc.baselines, *map(tokenizer.encode, data.pydoc()[:2]), 27)
    assert bits == pytest.approx({"unigram": 4.088, "bigram": 3.329, "trigram": 2.568}, abs=0.001)


def test_the_digits_have_the_expected_yardstick():
    splits = data.digits()
    bits = measure(data.digits.baselines, splits.training[0], splits.validation[0], 17)
    assert bits == pytest.approx({"per-pixel histogram": 2.439}, abs=0.001)


def test_sources_name_known_yardsticks_and_others_are_refused():
    assert all(set(source.baselines) <= set(BASELINES) for source in data.SOURCES.values())
    assert measure((), [0], [0], 1) == {}
    with pytest.raises(ValueError, match="'per-pixel histogram'. Received: baseline='unigrams'"):
        measure(["unigrams"], [0, 1], [0, 1], 2)


def test_independent_pixels_cost_their_entropy():
    rng = np.random.default_rng(0)
    p = np.array([[0.5, 0.5, 0, 0], [0.25, 0.25, 0.25, 0.25]])  # two pixels, four levels

    def draw(n):
        return np.stack([rng.choice(4, n, p=row) for row in p], 1).reshape(n, 1, 2, 1)

    model = PixelHistogram().fit(draw(20_000), 4)
    assert model.bits_per_dimension(draw(20_000)) == pytest.approx(1.5, abs=0.01)
    np.testing.assert_allclose(model.probabilities().sum(-1), 1)
    np.testing.assert_allclose(model.probabilities()[0, :, 0], p, atol=0.02)


def test_levels_never_seen_cost_a_finite_amount():
    model = PixelHistogram().fit(np.zeros((5, 2, 2, 1), int), 3)
    assert np.isfinite(model.bits_per_dimension(np.full((2, 2, 2, 1), 2)))


@pytest.mark.parametrize("order", [0, -1, 1.5, True])
def test_an_impossible_order_is_refused(order):
    with pytest.raises(ValueError, match=f"order={order}"):
        NGram(order)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="vocabulary_size=50257, order=5"):
        NGram(5).fit(np.zeros(9, int), 50257)
    with pytest.raises(ValueError, match="table is too large.*vocabulary_size=50257, order=2"):
        NGram(2).fit(np.zeros(9, int), 50257).probabilities()
    for tokens in (np.array([0, 5]), np.array([0, -1]), np.zeros((2, 2), int), np.zeros(4)):
        with pytest.raises(ValueError, match="Received: tokens"):
            NGram(1).fit(tokens, 5)
    for images in (np.zeros((3, 2, 2), int), np.full((3, 2, 2, 1), 9), np.zeros((3, 2, 2, 1))):
        with pytest.raises(ValueError, match="Received: images"):
            PixelHistogram().fit(images, 9)
    for use in (
        lambda: NGram(1).bits_per_character(np.zeros(3, int)),
        lambda: NGram(1).probabilities(),
        lambda: PixelHistogram().bits_per_dimension(np.zeros((3, 2, 2, 1), int)),
        lambda: PixelHistogram().probabilities(),
    ):
        with pytest.raises(ValueError, match="Call `fit` first"):
            use()


def test_n_grams_of_word_pieces_are_those_that_can_be_counted():
    tokens = np.arange(1000) % 50
    assert list(measure(["n-grams"], tokens, tokens, 50_257)) == ["unigram", "bigram", "trigram"]
    assert list(measure(["n-grams"], tokens, tokens, 2**22)) == ["unigram", "bigram"]


def test_long_n_grams_know_the_text_that_they_counted():
    tokens = np.random.default_rng(0).integers(0, 50_000, 500)
    model = NGram(3).fit(np.tile(tokens, 20), 50_000)
    assert model.bits_per_character(tokens) < 1.0
    assert np.exp(-model.nats(tokens[:1])) == pytest.approx(1 / 500, rel=0.01)
    assert (model.nats(tokens[::-1])[1:] > 5.0).all()  # pairs that never occurred
