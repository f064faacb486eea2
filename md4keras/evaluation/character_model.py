"""Characters that are counted: a judge of texts where no pretrained language model is at hand."""

import math

import numpy as np

from md4keras.checks import check_whole
from md4keras.evaluation.baselines import NGram
from md4keras.evaluation.causal import GenerativePerplexity, check_texts, perplexity_of

__all__ = ["CharacterModel"]


class CharacterModel:
    """An n-gram model of characters, in a `CausalModel`'s place for generative perplexity.

    It knows what stood in its own texts, a few characters at a time, and no more: texts that copy
    these score well. It compares ways of drawing from one model; it does not tell how good they
    are. It has no features, so no MAUVE.

    Args:
        texts: a list of strings, what is counted; the training texts of the model that is judged.
        order: int, 6 for five characters before each; see `baselines.NGram`.

    Example:

    >>> judge = CharacterModel(["the cat sat on the mat. " * 20], order=3)
    >>> likely, unlikely = (judge.perplexity([text]) for text in ("the mat sat", "tmh ttt aes"))
    >>> bool(likely.perplexity < 2 < 20 < unlikely.perplexity)
    True
    """

    def __init__(self, texts, order: int = 6):
        check_texts(texts)
        check_whole("order", order, mend="6 counts six characters in a row.")
        text = "".join(texts)
        self._alphabet = np.unique(_codes(text))
        self._model = NGram(order).fit(self._numbers(text), len(self._alphabet) + 1)

    def perplexity(self, texts) -> GenerativePerplexity:
        """The perplexity of texts for each character: `2**x` of `x` bits a character.

        All characters are scored, the first ones given fewer before them.

        Args:
            texts: a list of strings, such as `decode` makes of samples.

        Returns:
            a `GenerativePerplexity` whose tokens are characters.

        Raises:
            ValueError: for an empty list, or what are no texts.
        """
        check_texts(texts)
        nats = [math.fsum(self._model.nats(self._numbers(t))) if t else 0.0 for t in texts]
        return perplexity_of(np.array(nats), np.array([len(text) for text in texts]))

    def _numbers(self, text: str) -> np.ndarray:
        """The place of each character in the alphabet; the last one for all others."""
        codes = _codes(text)
        places = np.minimum(np.searchsorted(self._alphabet, codes), len(self._alphabet) - 1)
        return np.where(self._alphabet[places] == codes, places, len(self._alphabet))


def _codes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4").astype("int64")
