"""Prompts: the texts, tokens or chats that `generate` continues, and the form it answers in."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from md4keras import tokenizers
from md4keras.checks import as_array, check_whole
from md4keras.models import batches, validation

TOKENS, TEXTS, CHATS = "tokens", "texts", "chats"


class Prompts(NamedTuple):
    """What is to be continued.

    Attributes:
        tokens: list of int32 `[P]`, one for each sample; empty where there is no prompt.
        kind: `TOKENS`, `TEXTS` or `CHATS`.
        given: list of what was given for each sample, such as its text.
        is_one: bool, whether one prompt was given rather than a list, for one sample.
        tokenizer: the model's, or `None`.
    """

    tokens: list
    kind: str
    given: list
    is_one: bool
    tokenizer: Any

    @property
    def ends(self) -> tuple[int, ...]:
        """The ids that end what is generated.

        A text ends with its end token; an answer in a chat with any special token, as templates
        have tokens of their own for the end of a turn.
        """
        if self.kind == CHATS:
            return tuple(tokenizers.special_ids(self.tokenizer).values())
        end = getattr(self.tokenizer, "end_token_id", None)
        return () if end is None else (end,)

    def answer(self, rows: list):
        """What `generate` returns, from the tokens of each row, its prompt included.

        Args:
            rows: list of int arrays `[P + length]`, or an array of them; masks may be left.
        """
        if self.kind == TOKENS:
            return rows[0] if self.is_one else rows
        drawn = [row[len(tokens) :] for row, tokens in zip(rows, self.tokens, strict=True)]
        drawn = [self._until_end(row) for row in drawn]
        texts = [tokenizers.decode_masked(self.tokenizer, row) for row in drawn]
        if self.kind == TEXTS:
            texts = [text + more for text, more in zip(self.given, texts, strict=True)]
        return texts[0] if self.is_one else texts

    def _until_end(self, row):
        is_end = np.isin(row, self.ends)
        return row[: is_end.argmax()] if is_end.any() else row


def read(model, prompt, num_samples: int | None = None) -> Prompts:
    """The prompts of so many samples.

    Args:
        model: a model of text.
        prompt: a text; a chat, which is a list of messages `{"role", "content"}`; int tokens `[P]`;
            or a list (or array) of one of these, one for each sample; or `None` for none.
        num_samples: int, samples of one prompt, or as many as there are prompts; `None` for the
            number of prompts.

    Raises:
        ValueError: for anything else, tokens outside the vocabulary, or text without a tokenizer.
    """
    validation.check_is_text(model.network, "prompt")
    if num_samples is not None or prompt is None:
        check_whole("num_samples", num_samples)
    kind, given, is_single = _kind_of(prompt)
    if kind == TOKENS:
        tokens = _tokens_of(model.network, given, num_samples)
    else:
        tokens = _encoded(model, kind, [given] if is_single else given)
    count = len(tokens) if num_samples is None else num_samples
    given = [given] if is_single else given
    if is_single and len(tokens) == 1:
        tokens, given = tokens * count, given * count
    if len(tokens) != count:
        raise ValueError(
            f"There is a prompt for each sample. Expected one prompt, or a list of {count}. "
            f"Received: num_samples={num_samples}, {len(tokens)} prompts. Leave num_samples out."
        )
    is_one = is_single and num_samples is None
    return Prompts(tokens, kind, given, is_one, getattr(model, "tokenizer", None))


def _kind_of(prompt):
    """What a prompt is, the prompt, and whether it is a single one."""
    if isinstance(prompt, np.ndarray) and prompt.dtype.kind == "U":
        prompt = prompt.tolist()
    if isinstance(prompt, str):
        return TEXTS, prompt, True
    if isinstance(prompt, Mapping):
        raise ValueError(
            "A chat is a list of messages. Expected [{'role': 'user', 'content': ...}]. Received: "
            f"prompt={str(prompt)[:60]}. Put the message into a list."
        )
    if isinstance(prompt, (list, tuple)) and prompt:
        first = prompt[0]
        if all(isinstance(each, str) for each in prompt):
            return TEXTS, list(prompt), False
        if isinstance(first, Mapping):
            return CHATS, list(prompt), True
        if isinstance(first, (list, tuple)) and first and isinstance(first[0], Mapping):
            return CHATS, list(prompt), False
        if any(isinstance(each, str | Mapping) for each in prompt):
            raise _no_prompt(prompt)
    return TOKENS, prompt, prompt is not None and np.ndim(_or_zero(prompt)) == 1


def _no_prompt(prompt) -> ValueError:
    return ValueError(
        "This is no prompt. Expected a text, a chat (a list of messages), int tokens [P], or a "
        f"list of one of these kinds. Received: prompt={str(prompt)[:60]}. Give prompts of one "
        "kind, texts as strings."
    )


def _or_zero(prompt):
    """The prompt as an array; 0 for rows of different lengths, which are several."""
    try:
        return np.asarray(prompt)
    except ValueError:
        return 0


def _encoded(model, kind: str, given: list) -> list[np.ndarray]:
    tokenizer = getattr(model, "tokenizer", None)
    if not hasattr(tokenizer, "encode"):
        raise ValueError(
            "The model has no tokenizer, which makes tokens of texts. Expected one, or tokens. "
            f"Received: prompt={str(given)[:60]}, model.tokenizer={tokenizer!r}. Set "
            "`model.tokenizer`, or give ids."
        )
    if kind == CHATS:
        tokens = tokenizers.apply_chat_template(tokenizer, given)
    else:
        tokens = tokenizers.encode_batch(tokenizer, given)
    for each in tokens:
        if len(each):
            validation.check_host_tokens(model.network, each[None], "prompt")
    return tokens


def _tokens_of(network, prompt, num_samples: int | None) -> list[np.ndarray]:
    """Given tokens, int32 `[P]` each; `P` is 0 without a prompt."""
    if prompt is None:
        return [np.zeros(0, "int32")] * num_samples
    found, lengths = batches.from_lists({"tokens": prompt})
    prompts = as_array("prompt", batches.to_array(found["tokens"]))
    if prompts.dtype.kind in "USO":
        raise _no_prompt(prompt)
    count = len(prompts) if prompts.ndim == 2 and num_samples is None else num_samples
    if prompts.ndim not in (1, 2) or (prompts.ndim == 2 and len(prompts) != count):
        shown = "B" if count is None else count
        raise ValueError(
            f"`prompt` holds the tokens to continue. Expected shape [P] or [{shown}, P], or "
            f"a list of {shown}. Received: shape={prompts.shape}. One for each sample, or one."
        )
    if prompts.size:
        validation.check_host_tokens(network, np.atleast_2d(prompts), "prompt")
    rows = np.atleast_2d(prompts).astype("int32")
    lengths = [rows.shape[1]] * len(rows) if lengths is None else lengths
    return [row[:length] for row, length in zip(rows, lengths, strict=True)]
