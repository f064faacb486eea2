import math

import numpy as np
import pytest

from md4keras.evaluation import ngrams, variety

pytestmark = pytest.mark.one_backend

MEASURES = [
    ngrams.unigram_entropy,
    ngrams.self_bleu,
    ngrams.repeated_ngrams,
    lambda samples: ngrams.distinct_n(samples, 2),
]


def rows(seed=0):
    """Rows of 6 values and many lengths; one that shares nothing, two that are too short."""
    generator = np.random.default_rng(seed)
    drawn = [generator.integers(0, 6, size=generator.integers(3, 15)).tolist() for _ in range(20)]
    return [*drawn, [99, 98, 97, 96, 95], [1, 2], [1]]


def test_self_bleu_is_nltks():
    # Mean of NLTK 3.10.4's sentence_bleu against all others, SmoothingFunction().method1.
    assert ngrams.self_bleu(rows()) == pytest.approx(0.3088962720900732, rel=1e-12)


def test_self_bleu_lies_between_strangers_and_copies():
    assert ngrams.self_bleu([[1, 2, 3, 4], [5, 6, 7, 8]]) == 0.0
    assert ngrams.self_bleu(np.tile(np.arange(9), (3, 1))) == pytest.approx(1.0)
    # The shorter one is penalised by exp(1 - 5/4), the longer one has 4/5, 3/4, 2/3 and 1/2.
    longer = (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    found = ngrams.self_bleu([[1, 2, 3, 4, 5], [1, 2, 3, 4]])
    assert found == pytest.approx((longer + math.exp(-0.25)) / 2)


def test_a_word_counts_as_often_as_another_sample_has_it():
    # `1 1 1` has one match of one token in `1 2`; no pair: 1/3 and 0.1/2.
    assert ngrams.self_bleu([[1, 1, 1], [1, 2, 2]], most_n=2) == pytest.approx(
        (math.sqrt(1 / 3 * 0.1 / 2) + math.sqrt(1 / 3 * 0.1 / 2)) / 2
    )


def test_distinct_n_counts_over_all_samples():
    assert ngrams.distinct_n([[1, 2, 3], [1, 2, 3]], 1) == 0.5
    assert ngrams.distinct_n([[1, 2, 3], [3, 2, 1]], 2) == 1.0
    assert ngrams.distinct_n([[1, 2, 3], [4]], 2) == 1.0  # no pair reaches over two samples
    assert math.isnan(ngrams.distinct_n([[1], [2]], 2))


def test_repetition_counts_within_a_sample():
    assert ngrams.repeated_ngrams([[1, 2, 3], [1, 2, 3]], 2) == 0.0
    assert ngrams.repeated_ngrams([[5] * 17]) == 0.9  # of ten runs of eight, all but one
    assert ngrams.repeated_ngrams([[5] * 17, [1]]) == 0.9
    assert math.isnan(ngrams.repeated_ngrams([[1, 2, 3]]))


def test_entropy_is_the_mean_of_each_samples():
    samples = [[1, 1, 1, 1], [2, 2, 2, 2], [3, 4, 5, 6], []]
    assert ngrams.unigram_entropy(samples) == pytest.approx(2.0 / 4)
    assert ngrams.unigram_entropy(samples) < variety.token_entropy(samples)


def test_order_of_samples_does_not_matter():
    for measure in MEASURES:
        assert measure(rows()) == pytest.approx(measure(rows()[::-1]))


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("samples", [[], [[0.5, 1.0]] * 2, [["a", "b"]] * 2, None])
def test_refuses_what_are_no_samples(measure, samples):
    with pytest.raises(ValueError, match=r"`tokens` cannot.*Received: .*\. Pass"):
        measure(samples)


def test_refuses_to_compare_one_sample_with_itself():
    with pytest.raises(ValueError, match=r"at least 2 of them. Received: 1\. Draw more"):
        ngrams.self_bleu([[1, 2]])
