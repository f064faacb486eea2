"""Honest yardsticks: simple models fitted on the training split, measured on the validation split.

Every free number of them is chosen on the training split alone.
"""

from typing import NamedTuple

import numpy as np

from md4keras.checks import check_integers, check_name, check_whole

__all__ = ["BASELINES", "NGram", "PixelHistogram", "measure"]

_HELD_OUT = 0.1
_SMOOTHINGS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
_CONCENTRATIONS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_MOST_ENTRIES = 2**25
_MOST_CODES = 2**63 - 1
_ENCODE = "Encode the text with the tokenizer of this vocabulary."
_QUANTISE = "Quantise the images to this many levels."


class NGram:
    """Predicts each token from the `order - 1` tokens before it.

    Each order leans on the next lower one, as far as its context was seen seldom:
    `p(v | c) = (n(c, v) + a p(v | c')) / (n(c) + a)`, where `c'` is the context `c` without its
    first token, and order zero is uniform. The concentration `a` of each order is the one
    of eight values that predicts the last tenth of the training tokens best from the rest.

    Args:
        order: int, 1 for unigram, 2 for bigram, 3 for trigram, and so on.

    Example:

    >>> model = NGram(2).fit(np.tile([0, 1], 50), vocabulary_size=2)
    >>> bool(model.bits_per_character(np.tile([0, 1], 10)) < 0.2)
    True
    """

    def __init__(self, order: int):
        mend = "Use 1, 2 or 3: how many tokens in a row are counted."
        self.order = int(check_whole("order", order, mend=mend))
        self.concentrations = None
        self._counts = None

    def fit(self, tokens, vocabulary_size: int) -> "NGram":
        """Counts the training tokens and chooses the concentrations; returns this model.

        Args:
            tokens: int `[length]` in `[0, vocabulary_size)`, at least two.
            vocabulary_size: int, how many values a token can take.

        Raises:
            ValueError: for other tokens, or n-grams that no 64 bits can number.
        """
        if vocabulary_size**self.order > _MOST_CODES:
            raise ValueError(
                f"There are too many n-grams to number. Expected at most {_MOST_CODES}. "
                f"Received: vocabulary_size={vocabulary_size}, order={self.order}. "
                "Use a smaller order."
            )
        tokens = check_integers("tokens", tokens, ("length",), vocabulary_size, _ENCODE, least=2)
        self.vocabulary_size = int(vocabulary_size)
        cut = len(tokens) - max(1, int(len(tokens) * _HELD_OUT))
        held_out, self.concentrations = tokens[cut:], ()
        p = np.full(len(held_out), 1 / self.vocabulary_size)  # order zero, [length]
        for n, counts in zip(self._orders, self._count(tokens[:cut]), strict=True):
            found = counts.look_up(self._codes(held_out, n))
            trials = {a: _leaning(p, found, a) for a in _CONCENTRATIONS}
            best = min(trials, key=lambda a, trials=trials: -np.log(trials[a]).mean())
            self.concentrations, p = (*self.concentrations, best), trials[best]
        self._counts = self._count(tokens)
        return self

    def probabilities(self) -> np.ndarray:
        """The probability of each token after each context: `[vocabulary] * order`.

        Raises:
            ValueError: before `fit`, or for a table that would be too large.
        """
        _check_fitted(self)
        size = self.vocabulary_size
        if size**self.order > _MOST_ENTRIES:
            raise ValueError(
                f"The table is too large. Expected at most {_MOST_ENTRIES} entries. Received: "
                f"vocabulary_size={size}, order={self.order}. Score texts by `nats` instead."
            )
        table = np.full(size, 1 / size)  # order zero, [vocabulary]
        for n, (codes, a) in enumerate(zip(self._counts, self.concentrations, strict=True), 1):
            counts = np.zeros(size**n)
            counts[codes.known] = codes.followed
            counts = counts.reshape([size] * n)
            table = (counts + a * table) / (counts.sum(-1, keepdims=True) + a)
        return table

    def nats(self, tokens) -> np.ndarray:
        """`-log p` of each token given those before it, float64 `[length]`.

        Args:
            tokens: as in `fit`, one at least. The first `order - 1` are predicted by the lower
                orders.
        """
        _check_fitted(self)
        tokens = check_integers("tokens", tokens, ("length",), self.vocabulary_size, _ENCODE)
        return self._nats(tokens)

    def bits_per_character(self, tokens) -> float:
        """What one token of a text costs on average, in bits: the mean of `-log2 p`.

        Args:
            tokens: as in `fit`. The first `order - 1` are predicted by the lower orders.
        """
        _check_fitted(self)
        size = self.vocabulary_size
        tokens = check_integers("tokens", tokens, ("length",), size, _ENCODE, least=2)
        return float(self._nats(tokens).mean() / np.log(2))

    def _count(self, tokens) -> list["_Counts"]:
        """The counts of every order's n-grams, from 1 on."""
        return [_Counts.of(self._codes(tokens, n), self.vocabulary_size) for n in self._orders]

    @property
    def _orders(self) -> range:
        return range(1, self.order + 1)

    def _codes(self, tokens, n):
        """Each n-gram as one number: int64, shape `[length - n + 1]`."""
        codes = np.zeros(max(0, len(tokens) - n + 1), "int64")
        for i in range(n):
            codes = codes * self.vocabulary_size + tokens[i : i + len(codes)]
        return codes

    def _nats(self, tokens):
        p = np.full(len(tokens), 1 / self.vocabulary_size)  # order zero, [length]
        for n, counts, a in zip(self._orders, self._counts, self.concentrations, strict=True):
            p = _leaning(p, counts.look_up(self._codes(tokens, n)), a)
        return -np.log(p)


def _leaning(p, found, a):
    """Probabilities of one order from those of the next lower one, `[length]` each.

    Args:
        p: of the lower order; the first ones, before which too few tokens stand, stay.
        found: what `_Counts.look_up` returns of the order's n-grams.
        a: float, the concentration.
    """
    followed, seen = found
    short = len(p) - len(followed)
    return np.concatenate([p[:short], (followed + a * p[short:]) / (seen + a)])


class _Counts(NamedTuple):
    """How often the n-grams of one length occur, those that do.

    Attributes:
        known, followed: int64 `[n-grams]`, their numbers in order, and how often each occurs.
        contexts, seen: int64 `[contexts]`, the numbers of all but their last token, and how often
            something follows.
        size: int, the vocabulary's.
    """

    known: np.ndarray
    followed: np.ndarray
    contexts: np.ndarray
    seen: np.ndarray
    size: int

    @classmethod
    def of(cls, codes, size: int) -> "_Counts":
        known, followed = np.unique(codes, return_counts=True)
        contexts, first = np.unique(known // size, return_index=True)
        seen = np.add.reduceat(followed, first) if len(first) else followed
        return cls(known, followed, contexts, seen, size)

    def look_up(self, codes):
        """How often each n-gram occurs, and how often its context does; int64 `[length]` each."""
        return (
            _found(self.known, self.followed, codes),
            _found(self.contexts, self.seen, codes // self.size),
        )


def _found(keys, values, wanted):
    """The value of each key, 0 where it is not among the sorted `keys`."""
    if not len(keys):
        return np.zeros(len(wanted), "int64")
    places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[places] == wanted, values[places], 0)


class PixelHistogram:
    """Predicts each pixel from how often each level occurs at its place, all pixels apart.

    `p(v) = (n(v) + a) / (n + a levels)` at each place and channel; `a` is the one of seven values
    with which the training images predict each other best, each left out in its turn.

    Example:

    >>> images = md4keras.data.digits().training[0]
    >>> histogram = PixelHistogram().fit(images, levels=17)
    >>> histogram.probabilities().shape
    (8, 8, 1, 17)
    """

    def __init__(self):
        self.smoothing = None
        self._counts = None

    def fit(self, images, levels: int) -> "PixelHistogram":
        """Counts the training images and chooses the smoothing; returns this model.

        Args:
            images: int `[n, height, width, channels]` in `[0, levels)`, at least two.
            levels: int, how many values a pixel can take.
        """
        shape = ("n", "height", "width", "channels")
        images = check_integers("images", images, shape, levels, _QUANTISE, least=2)
        counts = [np.count_nonzero(images == level, axis=0) for level in range(levels)]
        self._counts = np.stack(counts, -1)  # [height, width, channels, levels]
        self.smoothing = min(_SMOOTHINGS, key=lambda a: self._bits(images, a, left_out=1))
        return self

    def probabilities(self) -> np.ndarray:
        """The probability of each level at each place: `[height, width, channels, levels]`."""
        _check_fitted(self)
        counts = self._counts + self.smoothing
        return counts / counts.sum(-1, keepdims=True)

    def bits_per_dimension(self, images) -> float:
        """What one pixel's channel costs on average, in bits: the mean of `-log2 p`.

        Args:
            images: as in `fit`.
        """
        _check_fitted(self)
        *shape, levels = self._counts.shape
        images = check_integers("images", images, ("n", *shape), levels, _QUANTISE, least=2)
        return self._bits(images, self.smoothing)

    def _bits(self, images, smoothing, left_out=0):
        """`left_out=1` where the images were counted: each is then predicted from the others."""
        counts = self._counts - left_out + smoothing  # for the levels that the image itself has
        total = self._counts.sum(-1, keepdims=True) - left_out + smoothing * self._counts.shape[-1]
        chosen = np.take_along_axis((counts / total)[None], images[..., None].astype("int64"), -1)
        return float(-np.log2(chosen).mean())


def ngram_bits(training, validation, vocabulary_size: int) -> dict[str, float]:
    """Bits per token of unigram, bigram and trigram on the validation tokens, by name.

    Without those that are too many to number: a trigram of more than two million word pieces.
    """
    return {
        name: NGram(order).fit(training, vocabulary_size).bits_per_character(validation)
        for order, name in enumerate(("unigram", "bigram", "trigram"), start=1)
        if vocabulary_size**order <= _MOST_CODES
    }


def histogram_bits(training, validation, levels: int) -> dict[str, float]:
    """Bits per dimension of the per-pixel histogram on the validation images, by name."""
    model = PixelHistogram().fit(training, levels)
    return {"per-pixel histogram": model.bits_per_dimension(validation)}


BASELINES = {"n-grams": ngram_bits, "per-pixel histogram": histogram_bits}


def measure(names, training, validation, vocabulary_size: int) -> dict[str, float]:
    """Bits per dimension of simple models on the validation split, by name.

    Args:
        names: keys of `BASELINES`, such as a source's `baselines`.
        training, validation: int `[length]`, or `[n, height, width, channels]` for histograms.
        vocabulary_size: int, how many values a token can take.

    Raises:
        ValueError: for an unknown name, or tokens that the models cannot count.

    Example:

    >>> (x, _), (held_out, _), *_ = md4keras.data.digits()
    >>> bits = measure(["per-pixel histogram"], x, held_out, vocabulary_size=17)
    >>> {name: round(value, 2) for name, value in bits.items()}
    {'per-pixel histogram': 2.44}
    """
    bits = {}
    for name in names:
        check_name("baseline", name, BASELINES)
        bits |= BASELINES[name](training, validation, vocabulary_size)
    return bits


def _check_fitted(model):
    if model._counts is None:
        raise ValueError(
            "This model has counted nothing yet. Expected a call of `fit` before. "
            f"Received: a new {type(model).__name__}. Call `fit` first."
        )
