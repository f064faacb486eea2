"""Texts as a causal language model of KerasHub reads them: generative perplexity, and features."""

import dataclasses
import math

import keras
import numpy as np
from keras import ops

from md4keras.checks import check_whole
from md4keras.files import import_optional
from md4keras.models.padding import padded_size
from md4keras.tokenizers import BytePairTokenizer, encode_batch

__all__ = ["CausalModel", "GenerativePerplexity", "generative_perplexity"]

PRESET = "gpt2_large_en"
"""KerasHub's name of GPT-2 large, under which papers give generative perplexity."""


@dataclasses.dataclass(frozen=True)
class GenerativePerplexity:
    """How well a causal model predicts texts; small for good ones, and for dull repetition too.

    Never read it alone: a text that repeats one word has a perplexity near 1. Beside it belong
    `ngrams.unigram_entropy` and its like, which `TextReport` gives together.

    Attributes:
        perplexity: float, `exp(nats / tokens)`; NaN where nothing was scored.
        standard_error: float, of the perplexity, from the spread over texts: the delta method for
            the ratio of two sums; NaN for a single text.
        nats: float, of all scored tokens.
        tokens: int, how many were scored.
        texts: int, how many were given.
        unscored: int, those of fewer than two tokens, in which nothing is scored.

    Example:

    >>> GenerativePerplexity(20.1, 0.3, nats=300.0, tokens=100, texts=4, unscored=0).perplexity
    20.1
    """

    perplexity: float
    standard_error: float
    nats: float
    tokens: int
    texts: int
    unscored: int


class CausalModel:
    """A causal language model that reads texts.

    A text is cut into the causal model's own tokens anew. What follows its first end token
    (`<|endoftext|>`) is left out, and so is what follows `max_length` tokens. The first token is
    given, all others are scored, the end token too. No start token is put before the text. (MDLM,
    Sahoo et al. 2024, and SEDD, Lou et al. 2024, do so with GPT-2 large; SEDD gives the mean of
    each text's perplexity, MDLM and we that of all tokens.)

    Args:
        preset: str, a folder that KerasHub's `save_to_preset` wrote, or a name or handle that it
            can download.
        tokenizer: what cuts the texts; `None` for the preset's, if it cuts as GPT-2 does. For
            others, `md4keras.tokenizers.BytePairTokenizer.from_file` of their `tokenizer.json`.
        max_length: int, the most tokens of a text that are read; no more than the model can.
        batch_size: int, texts in one call of the network.

    Raises:
        ImportError: if `keras-hub` or `tokenizers` is missing.
        ValueError: if there is no such preset here, or the tokenizer has more tokens than the
            model knows.

    Example:

    ```python
    causal = CausalModel("gpt2_large")  # a folder
    found = causal.perplexity(texts)
    print(f"{found.perplexity:.1f} +- {found.standard_error:.1f}")
    ```
    """

    def __init__(
        self, preset: str = PRESET, tokenizer=None, max_length: int = 1024, batch_size: int = 8
    ):
        check_whole("max_length", max_length, least=2, mend="Papers take 1024.")
        check_whole("batch_size", batch_size, mend="Use 8 or so.")
        network = _load(str(preset))
        self.preset, self.batch_size = str(preset), batch_size
        self.tokenizer = tokenizer or BytePairTokenizer.from_preset(self.preset)
        _check_vocabulary(self.preset, self.tokenizer, network.backbone)
        limit = getattr(network.backbone, "max_sequence_length", None) or max_length
        self.max_length = min(max_length, limit)
        self._nats = keras.Model(network.input, _nats_of_tokens(network))
        self._features = keras.Model(network.backbone.input, _last_features(network.backbone))

    def tokens_of(self, texts) -> list[np.ndarray]:
        """The tokens of each text that are read, int32 `[length]` each.

        Args:
            texts: strings.
        """
        check_texts(texts)
        end, end_id = (getattr(self.tokenizer, n, None) for n in ("end_token", "end_token_id"))
        parts = [_until(text, end) for text in texts]
        rows = encode_batch(self.tokenizer, [body for _, body, _ in parts])
        found = []
        for row, (starts, _, ends) in zip(rows, parts, strict=True):
            first, last = ([end_id] * there for there in (starts, ends))
            found.append(np.array([*first, *row, *last], "int32")[: self.max_length])
        return found

    def perplexity(self, texts) -> GenerativePerplexity:
        """The generative perplexity of texts.

        Args:
            texts: a list of strings, such as `decode` makes of samples.

        Raises:
            ValueError: for an empty list, or what are no texts.
        """
        rows = self.tokens_of(texts)
        tokens = np.array([max(0, len(row) - 1) for row in rows])
        nats = np.zeros(len(rows))
        for picked, found in self._read(self._nats, rows, shortest=2):
            for i, each in zip(picked, found, strict=True):
                nats[i] = each[: tokens[i]].sum(dtype="float64")
        return perplexity_of(nats, tokens)

    def features(self, texts) -> np.ndarray:
        """The last hidden state at the last token of each text: what MAUVE compares.

        Args:
            texts: a list of strings; empty ones are left out, as `mauve-text` does.

        Returns:
            float32 `[n, hidden_dim]`.

        Raises:
            ValueError: for an empty list, what are no texts, or texts that are all empty.
        """
        rows = [row for row in self.tokens_of(texts) if len(row)]
        if not rows:
            raise ValueError(
                "All texts are empty. Expected at least one with a token. "
                f"Received: {len(texts)} empty texts. Look at the samples: does each begin with "
                "its end token?"
            )
        features = [None] * len(rows)
        for picked, found in self._read(self._features, rows, shortest=1):
            for i, each in zip(picked, found, strict=True):
                features[i] = each
        return np.stack(features)

    def _read(self, network, rows, shortest: int):
        """What a network makes of batches of rows of similar length, with their numbers."""
        order = [int(i) for i in np.argsort([-len(row) for row in rows], kind="stable")]
        order = [i for i in order if len(rows[i]) >= shortest]
        for start in range(0, len(order), self.batch_size):
            picked = order[start : start + self.batch_size]
            # Few sizes, as each is compiled; at least 2 tokens, as the first has nothing to tell.
            length = min(max(2, padded_size(len(rows[picked[0]]))), self.max_length)
            ids = np.zeros((self.batch_size, length), "int32")
            mask = np.zeros((self.batch_size, length), "int32")
            mask[:, 0] = 1  # no row without a token
            for row, i in enumerate(picked):
                ids[row, : len(rows[i])], mask[row, : len(rows[i])] = rows[i], 1
            found = network.predict_on_batch({"token_ids": ids, "padding_mask": mask})
            yield picked, np.asarray(found)[: len(picked)]


def generative_perplexity(texts, causal: CausalModel | str = PRESET) -> GenerativePerplexity:
    """The perplexity of texts under a causal language model; see `CausalModel` for the rules.

    Args:
        texts: a list of strings.
        causal: a `CausalModel`, or the preset of one.

    Raises:
        ValueError: for an empty list, what are no texts, or a preset that is not there.
    """
    check_texts(texts)
    causal = causal if isinstance(causal, CausalModel) else CausalModel(causal)
    return causal.perplexity(texts)


def _nats_of_tokens(network):
    """`-log p(x_i | x_<i)` of each token but the first, float32 `[B, L - 1]`."""
    ids = network.input["token_ids"][:, 1:, None]  # [B, L - 1, 1]
    logits = ops.cast(network.output, "float32")[:, :-1]  # [B, L - 1, V]
    picked = ops.squeeze(ops.take_along_axis(logits, ids, axis=-1), -1)
    return ops.logsumexp(logits, axis=-1) - picked


def _last_features(backbone):
    """The hidden state of each row's last token, float32 `[B, hidden_dim]`."""
    mask = ops.cast(backbone.input["padding_mask"], "int32")  # [B, L]
    count = ops.cumsum(mask, axis=1)
    last = ops.equal(count, ops.sum(mask, axis=1, keepdims=True)) & ops.equal(mask, 1)
    hidden = ops.cast(backbone.output, "float32")  # [B, L, hidden_dim]
    return ops.sum(ops.where(last[..., None], hidden, 0.0), axis=1)


def perplexity_of(nats, tokens) -> GenerativePerplexity:
    """The ratio of the sums of nats and tokens of each text, `[n]` each, and its standard error."""
    n, total = len(tokens), int(tokens.sum())
    mean = nats.sum() / total if total else math.nan
    perplexity, error = math.exp(mean), math.nan
    if n > 1 and total:
        spread = ((nats - mean * tokens) ** 2).sum() * n / (n - 1)
        error = perplexity * math.sqrt(spread) / total
    unscored = int((tokens == 0).sum())
    return GenerativePerplexity(perplexity, error, float(nats.sum()), total, n, unscored)


def _until(text: str, end: str | None) -> tuple[bool, str, bool]:
    """Whether a text starts with an end token, what follows up to the next, and whether one does.

    Example:

    >>> _until("<e>a cat<e>a dog", "<e>"), _until("a cat", "<e>")
    ((True, 'a cat', True), (False, 'a cat', False))
    """
    if end is None:
        return False, text, False
    starts = text.startswith(end)
    body, found, _ = text.removeprefix(end).partition(end)
    return starts, body, bool(found)


def check_texts(texts) -> None:
    """Raises a `ValueError` for anything but a list of strings, one at least."""
    listed = isinstance(texts, (list, tuple)) and all(isinstance(text, str) for text in texts)
    if not listed or not texts:
        raise ValueError(
            "`texts` cannot be read. Expected a list of at least one string. "
            f"Received: texts={str(texts)[:60]!r}. Pass what `model.tokenizer.decode` makes of the "
            "samples."
        )


def _load(preset: str):
    """KerasHub's causal language model of a preset, in float32 and without its tokenizer."""
    hub = import_optional("keras_hub", "reads causal language models", "keras-hub")
    try:
        return hub.models.CausalLM.from_preset(preset, dtype="float32", preprocessor=None)
    except (OSError, ValueError, TypeError, LookupError) as error:  # what a missing one may raise
        reason = str(error).partition("\n")[0][:200]
        raise ValueError(
            f"KerasHub has no causal language model for this preset ({reason}). Expected "
            "a folder that `save_to_preset` wrote, or a name or handle that can be downloaded. "
            f"Received: preset={preset!r}. Without a network here, run "
            f'`keras_hub.models.CausalLM.from_preset("{PRESET}").save_to_preset("gpt2_large")` '
            "where there is one, and pass the path of a copy of that folder."
        ) from error


def _check_vocabulary(preset: str, tokenizer, backbone) -> None:
    known = backbone.vocabulary_size
    if tokenizer.vocabulary_size > known:
        raise ValueError(
            "The tokenizer has tokens that the causal model does not know. Expected at most "
            f"{known}. Received: tokenizer of {tokenizer.vocabulary_size}, preset={preset!r}. "
            "Leave `tokenizer` out, or take the one that the preset was trained with."
        )
