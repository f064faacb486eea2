"""Distances between the features of generated and of real images: FID, KID, and their like.

The features are those of a network that was trained on photographs, such as `inception.Inception`.
Each measure is that of the package torch-fidelity, down to the subsets and the order that its seed
draws; that is what its settings are called here, too.
"""

from typing import NamedTuple

import numpy as np

from md4keras import random
from md4keras.checks import check_whole
from md4keras.evaluation.features import check_features, check_pair

__all__ = ["PrecisionRecall", "Spread", "fid", "inception_score", "kid", "precision_recall"]

SEED = 2020
"""torch-fidelity's."""

FEWEST = 4
"""Samples of a set that all measures need, with the third neighbour."""

_CHUNK = 1024  # rows of a matrix of distances that are in memory at a time


class Spread(NamedTuple):
    """A mean, and the standard deviation of what it is the mean of.

    Attributes:
        mean: float.
        deviation: float, over the subsets or the splits (not a standard error: subsets overlap).

    Example:

    >>> md4keras.evaluation.image_quality.Spread(mean=0.5, deviation=0.1).mean
    0.5
    """

    mean: float
    deviation: float


class PrecisionRecall(NamedTuple):
    """How much of one set lies where the other one is.

    Attributes:
        precision: float, the fraction of generated samples that look real.
        recall: float, the fraction of real samples that could have been generated.

    Example:

    >>> md4keras.evaluation.image_quality.PrecisionRecall(precision=0.9, recall=0.5).recall
    0.5
    """

    precision: float
    recall: float


def fid(generated, real) -> float:
    """The Frechet distance of two normal distributions fitted to features.

    `|m_1 - m_2|^2 + tr(S_1 + S_2 - 2 (S_1 S_2)^(1/2))`. It falls with the number of samples, for
    which papers take 50,000 of each; below 10,000 it is too high by far more than models differ.

    Args:
        generated, real: float `[n, dim]` and `[m, dim]`, at least 2 of each.

    Returns:
        At least 0, up to rounding; 0 for equal means and covariances.

    Raises:
        ValueError: for what are no features, or of two networks.

    Reference: Heusel et al. 2017, *GANs Trained by a Two Time-Scale Update Rule Converge to a
    Local Nash Equilibrium*.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> round(fid(x, x + [2.0, 0.0, 0.0]), 6)
    4.0
    """
    one, other = check_pair(("generated", "real"), generated, real)
    difference = one.mean(axis=0) - other.mean(axis=0)  # [dim]
    first, second = (np.atleast_2d(np.cov(each, rowvar=False)) for each in (one, other))
    # The trace of (S_1 S_2)^(1/2) is that of (R S_2 R)^(1/2) with R = S_1^(1/2). That is symmetric,
    # so no complex numbers come of rounding, whatever the rank.
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    inner = np.linalg.eigvalsh(root @ second @ root)
    overlap = np.sqrt(np.maximum(inner, 0.0)).sum()
    return float(difference @ difference + np.trace(first) + np.trace(second) - 2.0 * overlap)


def kid(generated, real, subsets: int = 100, subset_size: int = 1000, seed: int = SEED) -> Spread:
    """The squared maximum mean discrepancy under `k(x, y) = (x . y / dim + 1)^3`.

    Unlike FID it is unbiased, so few samples will do; it may be below 0 for equal distributions.

    Args:
        generated, real: float `[n, dim]` and `[m, dim]`.
        subsets: int, how many estimates are averaged.
        subset_size: int, samples of each set in an estimate; no more than there are.
        seed: int in `[0, 2**32)`, of the subsets.

    Returns:
        A `Spread` over the subsets.

    Raises:
        ValueError: for what are no features, of two networks, or fewer than a subset needs.

    Example:

    >>> x = np.random.default_rng(0).normal(size=(2, 200, 4))
    >>> found = kid(x[0], x[1], subsets=10, subset_size=50)  # of equal distributions
    >>> abs(found.mean) < 3 * found.deviation
    True

    Reference: Binkowski et al. 2018, *Demystifying MMD GANs*.
    """
    check_whole("subsets", subsets, mend="Papers take 100.")
    check_whole("subset_size", subset_size, least=2, mend="Papers take 1000.")
    random.check_seed(seed)
    one, other = check_pair(("generated", "real"), generated, real)
    fewest = min(len(one), len(other))
    if subset_size > fewest:
        raise ValueError(
            f"There are too few samples for a subset. Expected `subset_size` of at most {fewest}. "
            f"Received: subset_size={subset_size}. Draw more, or use subset_size={fewest}."
        )
    generator = np.random.RandomState(seed)  # whose subsets torch-fidelity's are
    found = []
    for _ in range(subsets):
        x, y = (
            each[generator.choice(len(each), subset_size, replace=False)] for each in (one, other)
        )
        found.append(_mean_discrepancy(x, y))
    return Spread(float(np.mean(found)), float(np.std(found)))


def inception_score(logits, splits: int = 10, seed: int = SEED) -> Spread:
    """`exp(E_x KL(p(y | x) || p(y)))`: sure of each image's class, with all classes there.

    It looks at generated images alone, and says little of those that are no photographs.

    Args:
        logits: float `[n, classes]`, of generated images.
        splits: int, parts of the samples, each with a score of its own.
        seed: int in `[0, 2**32)`, of the order in which the samples are shuffled before.

    Returns:
        A `Spread` over the splits; from 1 to the number of classes.

    Raises:
        ValueError: for what are no logits, or fewer than there are splits.

    Example:

    >>> sure = 1e4 * np.eye(5)[np.arange(20) % 5]  # each image surely of one of five classes
    >>> round(inception_score(sure, splits=1).mean, 3)
    5.0

    Reference: Salimans et al. 2016, *Improved Techniques for Training GANs*.
    """
    check_whole("splits", splits, mend="Papers take 10.")
    random.check_seed(seed)
    logits = check_features("logits", logits, least=splits)
    n = len(logits)
    logits = logits[np.random.RandomState(seed).permutation(n)]
    log_p = logits - logits.max(axis=1, keepdims=True)
    log_p = log_p - np.log(np.exp(log_p).sum(axis=1, keepdims=True))
    scores = []
    for i in range(splits):
        part = log_p[i * n // splits : (i + 1) * n // splits]
        p = np.exp(part)
        divergence = p * (part - np.log(np.maximum(p.mean(axis=0), np.finfo("float64").tiny)))
        scores.append(np.exp(divergence.sum(axis=1).mean()))
    return Spread(float(np.mean(scores)), float(np.std(scores)))


def precision_recall(generated, real, k: int = 3) -> PrecisionRecall:
    """How many samples of each set lie in the other set's support, made of balls round its samples.

    A ball reaches to the `k`-th nearest other sample of the same set.

    Args:
        generated, real: float `[n, dim]` and `[m, dim]`, more than `k` of each. Take as many of
            both: with more samples balls get smaller.
        k: int.

    Raises:
        ValueError: for what are no features, of two networks, or no more than `k`.

    Reference: Kynkaanniemi et al. 2019, *Improved Precision and Recall Metric for Assessing
    Generative Models*.

    Example:

    >>> x = np.arange(8.0)[:, None]
    >>> precision_recall(x[:5], x, k=1)
    PrecisionRecall(precision=1.0, recall=0.75)
    """
    check_whole("k", k, mend="Papers take 3.")
    one, other = check_pair(("generated", "real"), generated, real, least=k + 1)
    return PrecisionRecall(_inside(one, other, k), _inside(other, one, k))


def _mean_discrepancy(x, y) -> float:
    """The unbiased estimate of the squared discrepancy of equally many samples, `[size, dim]`."""
    size, dim = x.shape

    def kernel(a, b):
        return (a @ b.T / dim + 1.0) ** 3  # [size, size]

    def off_diagonal(matrix):
        return matrix.sum() - np.trace(matrix)

    within = off_diagonal(kernel(x, x)) + off_diagonal(kernel(y, y))
    return within / (size * (size - 1)) - 2.0 * kernel(x, y).mean()


def _inside(samples, support, k: int) -> float:
    """The fraction of samples that lie in a ball round one of the support's."""
    # The nearest one is the sample itself.
    radii = [np.partition(part, k, axis=1)[:, k] for part in _distances(support, support)]
    radii = np.concatenate(radii)  # [support]
    inside = [(part <= radii).any(axis=1) for part in _distances(samples, support)]
    return float(np.concatenate(inside).mean())


def _distances(a, b):
    """Squared distances, `[rows, len(b)]`, for some rows of `a` at a time; what rounds to 0 is."""
    b_norm = (b**2).sum(axis=1)
    for start in range(0, len(a), _CHUNK):
        part = a[start : start + _CHUNK]
        norms = (part**2).sum(axis=1)[:, None] + b_norm
        found = norms - 2.0 * part @ b.T
        yield np.where(found < 1e-12 * norms, 0.0, found)
