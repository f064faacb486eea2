"""All figures of a set of texts at once: none of them says anything alone."""

import numpy as np

from md4keras import random
from md4keras.checks import check_has, check_whole
from md4keras.evaluation import ngrams, variety
from md4keras.evaluation.features import check_pair
from md4keras.files import import_optional
from md4keras.tokenizers import decode_masked, until_end

__all__ = ["TextReport", "mauve"]

FEW_FOR_MAUVE = 1000
"""Texts, of which MAUVE's authors ask for at least so many; papers take 5000."""


def mauve(generated, references, num_buckets="auto", seed: int = 25) -> float:
    """MAUVE: how far the features of two sets of texts fall into the same clusters.

    The package `mauve-text` computes it, with its own settings. It depends on the number of texts,
    the clusters and the seed: compare only what has all three in common.

    Args:
        generated, references: float `[n, dim]` and `[m, dim]`, such as `CausalModel.features` of
            texts.
        num_buckets: int, clusters; `"auto"` for a tenth of the smaller number of texts.
        seed: int in `[0, 2**32)`, of the clusters.

    Returns:
        In `(0, 1]`, 1 where all clusters are equally full.

    Raises:
        ImportError: if `mauve-text` is missing.
        ValueError: for what are no features, or of two networks.

    Reference: Pillutla et al. 2021, *MAUVE: Measuring the Gap Between Neural Text and Human Text
    using Divergence Frontiers*.
    """
    if num_buckets != "auto":
        check_whole("num_buckets", num_buckets, least=2, mend="'auto' is the authors' choice.")
    random.check_seed(seed)
    generated, references = check_pair(("generated", "references"), generated, references)
    package = import_optional("mauve", "computes MAUVE", "mauve-text")
    found = package.compute_mauve(
        p_features=generated,
        q_features=references,
        num_buckets=num_buckets if num_buckets == "auto" else int(num_buckets),
        seed=seed,
    )
    return float(found.mauve)


class TextReport:
    """What is to be said of a set of samples of text.

    Args:
        tokenizer: the samples' tokenizer, `model.tokenizer`.
        causal: a `CausalModel`, for generative perplexity and MAUVE, or a `CharacterModel`, for the
            perplexity alone; `None` to do without.
        references: a list of real texts, for MAUVE; `None` to do without.

    Call arguments:
        tokens: int `[n, length]`, at least 2 samples, such as `model.generate` returns, or a list
            of texts' ids.

    Returns:
        A dictionary:

        - `samples`, `tokens_per_sample`: how many, and their mean length.
        - `unigram_entropy` (bits), `distinct_1`, `distinct_2`, `distinct_3`, `self_bleu`,
          `repeated_8grams`: see `ngrams`; of the samples' own tokens, up to and with the first end
          token, so not to be compared between tokenizers.
        - `distinct_samples`: the fraction that occur nowhere before.
        - with `causal`: `generative_perplexity`, `generative_perplexity_error`.
        - with `references`: `mauve`, `references` (how many).
        - `warnings`: a list of strings.

    Raises:
        ValueError: for no tokenizer, references without a causal model or without a text, fewer
            than two samples, tokens of images, or ids that are not the tokenizer's, masks included.

    Example:

    ```python
    report = TextReport(model.tokenizer, CausalModel("gpt2_large"), references=texts)
    print(report(model.generate(1000)))
    print(report([model.tokenizer.encode(text) for text in texts]))  # what real texts have
    ```
    """

    def __init__(self, tokenizer, causal=None, references=None):
        mend = "Pass `model.tokenizer`; a model that was saved with one has it."
        check_has("a tokenizer", tokenizer, ("decode", "vocabulary_size"), mend)
        if references is not None and causal is None:
            raise ValueError(
                "MAUVE compares what a causal model makes of texts. Expected `causal` along with "
                "`references`. Received: causal=None. Pass a `CausalModel`, or no references."
            )
        if causal is not None:
            needs = ("perplexity",) if references is None else ("perplexity", "features")
            mend = "Pass a `CausalModel`; a `CharacterModel` without references."
            check_has("a causal model", causal, needs, mend)
        self.tokenizer, self.causal = tokenizer, causal
        self._references = None if references is None else causal.features(references)

    def check(self, model) -> None:
        """Raises a `ValueError` if a model's samples are not of the report's tokenizer."""
        known, size = self.tokenizer.vocabulary_size, model.network.vocabulary_size
        if known != size:
            raise ValueError(
                f"The tokenizer does not match the vocabulary. Expected one of {size} tokens, as "
                f"the model has. Received: tokenizer of {known}. Pass the tokenizer that encoded "
                "the model's training data, `model.tokenizer` of a saved model."
            )

    def __call__(self, tokens) -> dict:
        mend = (
            "Pass what `generate` returns, and take the tokenizer that encoded its training data."
        )
        size = self.tokenizer.vocabulary_size
        rows = until_end(self.tokenizer, variety.rows_of(tokens, ("n", "length"), size, mend))
        texts = [decode_masked(self.tokenizer, row) for row in rows]
        found = {
            "samples": len(rows),
            "tokens_per_sample": float(np.mean([len(row) for row in rows])),
            "unigram_entropy": ngrams.unigram_entropy(rows),
            **{f"distinct_{n}": ngrams.distinct_n(rows, n) for n in (1, 2, 3)},
            "self_bleu": ngrams.self_bleu(rows),
            "repeated_8grams": ngrams.repeated_ngrams(rows, 8),
            "distinct_samples": variety.distinct_fraction(rows),
        }
        warnings = []
        if self.causal is not None:
            read = self.causal.perplexity(texts)
            found["generative_perplexity"] = read.perplexity
            found["generative_perplexity_error"] = read.standard_error
            if read.unscored:
                warnings.append(f"{read.unscored} texts are too short for generative perplexity")
        if self._references is not None:
            features = self.causal.features(texts)
            found["mauve"] = mauve(features, self._references)
            found["references"] = len(self._references)
            if min(len(features), len(self._references)) < FEW_FOR_MAUVE:
                warnings.append(f"MAUVE of fewer than {FEW_FOR_MAUVE} texts is unreliable")
        return {**found, "warnings": warnings}
