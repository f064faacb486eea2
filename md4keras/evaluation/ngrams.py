"""Runs of `n` tokens in samples of text: how many differ, recur, or stand in other samples too."""

import math
from collections import Counter

from md4keras.checks import check_whole
from md4keras.evaluation.variety import rows_of, token_entropy

__all__ = ["distinct_n", "repeated_ngrams", "self_bleu", "unigram_entropy"]

_EPSILON = 0.1  # in place of a count of 0, in BLEU's smoothing


def unigram_entropy(samples) -> float:
    """Mean over the samples of the entropy of the tokens within each: `-sum_v f(v) log2 f(v)`.

    `variety.token_entropy` of one sample at a time, so a model that repeats itself within each
    sample is seen even if its samples differ. It grows with the length of the samples: compare it
    with that of real texts of the same length. An empty sample counts as 0.

    Args:
        samples: int `[n, length]`, such as `model.generate` returns, or a list of texts' ids.

    Returns:
        Bits. (Papers that give nats, such as Zheng et al. 2025: multiply by `ln 2`.)

    Raises:
        ValueError: for what are no samples.

    Example:

    >>> unigram_entropy([[0, 0, 0, 0], [0, 1, 2, 3]])
    1.0
    """
    rows = rows_of(samples)
    return math.fsum(token_entropy([row]) for row in rows if len(row)) / len(rows)


def distinct_n(samples, n: int) -> float:
    """The number of different n-grams in all samples together, over the number of n-grams.

    Args:
        samples: as in `unigram_entropy`.
        n: int, at least 1.

    Returns:
        In `(0, 1]`, 1 where no n-gram occurs twice; NaN where no sample has `n` tokens.

    Raises:
        ValueError: for what are no samples.

    Example:

    >>> distinct_n([[1, 2, 1, 2], [1, 2]], n=2)
    0.5

    Reference: Li et al. 2016, *A Diversity-Promoting Objective Function for Neural Conversation
    Models*.
    """
    check_whole("n", n, mend="Papers give 1, 2 and 3.")
    counts = Counter(gram for row in _lists(samples) for gram in _ngrams(row, n))
    return len(counts) / counts.total() if counts else math.nan


def repeated_ngrams(samples, n: int = 8) -> float:
    """The fraction of n-grams that have occurred before within the same sample.

    Args:
        samples: as in `unigram_entropy`.
        n: int, at least 1.

    Returns:
        In `[0, 1)`, over the n-grams of all samples; NaN where no sample has `n` tokens.

    Raises:
        ValueError: for what are no samples.

    Example:

    >>> repeated_ngrams([[7, 8, 7, 8, 7]], n=2)
    0.5

    Reference: Welleck et al. 2020, *Neural Text Generation with Unlikelihood Training* (seq-rep-n
    is this of one sample).
    """
    check_whole("n", n, mend="8 finds copied passages, 4 finds turns of phrase.")
    total = different = 0
    for row in _lists(samples):
        grams = _ngrams(row, n)
        total, different = total + len(grams), different + len(set(grams))
    return 1.0 - different / total if total else math.nan


def self_bleu(samples, most_n: int = 4) -> float:
    """Mean BLEU of each sample against all the others: how far samples copy one another.

    BLEU-4 of tokens: even weights; brevity penalty by the reference that is closest in length; a
    precision of 0 matches counts 0.1 (method 1 of Chen and Cherry 2014, as NLTK's
    `SmoothingFunction().method1`), but without a single common token BLEU is 0.

    Args:
        samples: as in `unigram_entropy`, at least 2. It rises with their number: compare only
            numbers of the same size.
        most_n: int, the longest n-grams.

    Returns:
        In `[0, 1]`, 1 where all samples are the same (and have `most_n` tokens).

    Raises:
        ValueError: for fewer than 2 samples, or what are none.

    Example:

    >>> self_bleu([[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]])
    1.0

    Reference: Zhu et al. 2018, *Texygen: A Benchmarking Platform for Text Generation Models*.
    """
    check_whole("most_n", most_n, mend="Papers give BLEU-4.")
    rows = _lists(samples)
    if len(rows) < 2:
        raise ValueError(
            "Self-BLEU compares samples with one another. Expected at least 2 of them. "
            f"Received: {len(rows)}. Draw more: papers take 500 or so."
        )
    matches = [_matches(rows, n) for n in range(1, most_n + 1)]  # [most_n][samples]
    lengths = Counter(map(len, rows))
    scores = []
    for i, row in enumerate(rows):
        if matches[0][i] == 0:
            scores.append(0.0)
            continue
        precisions = [
            (matched[i] or _EPSILON) / max(1, len(row) - n + 1)
            for n, matched in enumerate(matches, start=1)
        ]
        log_bleu = math.fsum(map(math.log, precisions)) / most_n
        shortage = 1.0 - _closest(lengths, len(row)) / len(row)
        scores.append(math.exp(log_bleu + min(0.0, shortage)))
    return math.fsum(scores) / len(scores)


def _matches(rows: list[list], n: int) -> list[int]:
    """Of each row, the n-grams that another row has, each at most as often as it stands there.

    BLEU's clipped counts with all other rows as references. The most that any other row has of an
    n-gram is the most of all rows, or the second most for the row that has the most.
    """
    counts = [Counter(_ngrams(row, n)) for row in rows]
    most = {}  # n-gram: (row that has the most, its count, the most of the others)
    for i, count in enumerate(counts):
        for gram, c in count.items():
            owner, first, second = most.get(gram, (i, 0, 0))
            most[gram] = (i, c, first) if c > first else (owner, first, max(second, c))
    found = []
    for i, count in enumerate(counts):
        clipped = 0
        for gram, c in count.items():
            owner, first, second = most[gram]
            clipped += min(c, second if owner == i else first)
        found.append(clipped)
    return found


def _closest(lengths: Counter, length: int) -> int:
    """The length of the other sample that is closest to this one's, the shorter of two."""
    others = (each for each, count in lengths.items() if count > (each == length))
    return min(others, key=lambda each: (abs(each - length), each))


def _lists(samples) -> list[list]:
    return [row.tolist() for row in rows_of(samples)]


def _ngrams(row: list, n: int) -> list[tuple]:
    return list(zip(*(row[i:] for i in range(n)), strict=False))
