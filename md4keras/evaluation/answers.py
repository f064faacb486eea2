"""Likelihoods of answers to prompts, and the likeliest of several answers."""

import dataclasses
import itertools

import numpy as np

from md4keras.checks import check_list, check_name, check_whole
from md4keras.evaluation import texts as text_inputs

UNITS = ("none", "token", "character", "byte")
"""What the cost of an answer may be divided by, where answers of several lengths are compared."""


@dataclasses.dataclass(frozen=True, eq=False)
class AnswerLikelihood:
    """What answers cost, given their prompts.

    Attributes:
        nats, error: float64 `[n]`, the bound on `-log p(answer | prompt)`, and its standard error.
        tokens: int64 `[n]`, the tokens of each answer, its end among them where it is scored.
        cut: int64 `[n]`, the tokens that each prompt lost at its beginning.
    """

    nats: np.ndarray
    error: np.ndarray
    tokens: np.ndarray
    cut: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class ChosenAnswers:
    """Which of several answers to each question is the likeliest.

    Attributes:
        chosen: int64 `[n]`, the index of the answer that costs least.
        nats, error: lists of float64 `[choices]`, what each answer costs, as `AnswerLikelihood`.
        costs: list of float64 `[choices]`, what is compared: nats, per unit if normalised.
        margin: float64 `[n]`, how much more the next answer costs.
        decided: bool `[n]`, whether each other answer costs more by more than two standard errors
            of the difference. Where not, more samples may choose another.
        cut: list of int64 `[choices]`, the tokens that the prompt lost.
    """

    chosen: np.ndarray
    nats: list
    error: list
    costs: list
    margin: np.ndarray
    decided: np.ndarray
    cut: list


def answer_rows(pairs, length: int) -> dict:
    """Prompts and answers as rows: the prompt given, the answer behind it scored.

    A pair that is longer than a row loses the beginning of its prompt, never a part of its answer.

    Args:
        pairs: a list of pairs of ints `[tokens]`; a prompt may have none.
        length: int, the most tokens of a row: the length that the model was trained at.

    Returns:
        A dictionary of lists of arrays `[tokens]`, as `model.score` and `model.infill` take it:
        int32 `"tokens"` and bool `"given"`.

    Raises:
        ValueError: for an answer without tokens, or one that no row holds.

    Example:

    >>> rows = answer_rows([([1, 2, 3], [4, 5]), ([], [6])], length=4)
    >>> [row.tolist() for row in rows["tokens"]]
    [[2, 3, 4, 5], [6]]
    >>> [row.astype(int).tolist() for row in rows["given"]]
    [[1, 1, 0, 0], [0]]
    """
    check_whole("length", length, mend="Give the length that the model was trained at.")
    tokens, given = [], []
    for number, (prompt, answer) in enumerate(pairs):
        if not 0 < len(answer) <= length:
            raise ValueError(
                f"The answer with index {number} cannot be scored. Expected 1 to {length} tokens, "
                f"as a row of the model has. Received: {len(answer)} tokens. Leave it out, or take "
                "`rolling_likelihood` for long texts."
            )
        kept = np.asarray(prompt, "int32")[max(0, len(prompt) + len(answer) - length) :]
        tokens.append(np.concatenate([kept, np.asarray(answer, "int32")]))
        given.append(np.arange(len(tokens[-1])) < len(kept))
    return {"tokens": tokens, "given": given}


def encode_answers(model, pairs, end: bool = True) -> list[tuple[np.ndarray, np.ndarray]]:
    """Prompts and answers as tokens, each encoded by itself, as `data.encode_pairs` does.

    Args:
        model: a model of text.
        pairs: a list of pairs of strings, or of ints `[tokens]`, which stay as they are.
        end: bool, whether an answer that is a string is followed by the tokenizer's end token, if
            it has one.

    Returns:
        A list of pairs of int32 arrays `[tokens]`.

    Raises:
        ValueError: for what are no pairs, or an empty answer.
    """
    prompts, answers = zip(*_check_pairs("pairs", pairs, "answer"), strict=True)
    encoded = text_inputs.encode(model, answers, "answer")
    end_token = getattr(model.tokenizer, "end_token_id", None) if end else None
    if end_token is not None:
        encoded = [
            np.append(tokens, np.int32(end_token)) if isinstance(answer, str) else tokens
            for tokens, answer in zip(encoded, answers, strict=True)
        ]
    return list(zip(text_inputs.encode(model, prompts, "prompt", 0), encoded, strict=True))


def answer_likelihood(
    model,
    pairs,
    end: bool = True,
    num_samples: int = 64,
    seed: int = 0,
    batch_size: int = 64,
    first_pair: int = 0,
) -> AnswerLikelihood:
    """An upper bound on `-log p(answer | prompt)`, in nats.

    The row ends with the answer. With its end token (`end`) it is the cost of that answer and no
    longer one, as models of `data.PairRows` are trained; without, that of a text which may go on.

    Args:
        model: a model of text.
        pairs: a list of pairs of a prompt and an answer: strings, which the model's tokenizer
            encodes, or ints `[tokens]`. A prompt may be empty, an answer may not. A prompt that is
            too long loses its beginning: `cut` tells how much.
        end: bool, whether the end token of answers that are strings is scored, where the tokenizer
            has one.
        num_samples, batch_size: as of `model.score`.
        seed: int in `[0, 2**32)`; pair `i` depends on `(seed, i)` alone. Two pairs have draws of
            their own, so their errors are independent.
        first_pair: int, the number of the first pair, where a set is scored in parts.

    Returns:
        An `AnswerLikelihood`.

    Raises:
        ValueError: for a bad argument, an empty answer, or one longer than the model's rows.

    Example:

    >>> pairs = [([1, 2], [3]), ([1, 2], [3, 4])]  # prompts and answers, as tokens
    >>> found = md4keras.evaluation.answer_likelihood(model, pairs, num_samples=2)
    >>> print(found.nats.round(2))  # ln 5 a token
    [1.61 3.22]
    """
    length, encoded = text_inputs.training_length(model), encode_answers(model, pairs, end)
    rows = list(zip(*answer_rows(encoded, length).values(), strict=True))
    nats, error = text_inputs.score_rows(model, rows, num_samples, seed, batch_size, first_pair)
    tokens = np.array([len(answer) for _, answer in encoded])
    whole = np.array([len(prompt) + len(answer) for prompt, answer in encoded])
    return AnswerLikelihood(nats, error, tokens, whole - [len(row) for row, _ in rows])


def multiple_choice(
    model,
    questions,
    normalize: str = "none",
    end: bool = True,
    num_samples: int = 64,
    seed: int = 0,
    batch_size: int = 64,
) -> ChosenAnswers:
    """The likeliest answer to each of several questions.

    Bounds are compared, not likelihoods: how far a bound lies above the likelihood may differ from
    answer to answer.

    Args:
        model: a model of text.
        questions: a list of pairs of a prompt and a list of at least two choices, strings or ints.
        normalize: what the cost is divided by: `"none"` for 1, or each answer's `"token"`s (with
            its end), `"character"`s, or `"byte"`s in UTF-8 (without).
        end, num_samples, seed, batch_size: as of `answer_likelihood`. Answer `i`, counted through
            all questions, depends on `(seed, i)` alone.

    Returns:
        A `ChosenAnswers`.

    Raises:
        ValueError: as `answer_likelihood`; for fewer than two choices; for characters or bytes
            where there is no tokenizer to decode the tokens.

    Example:

    >>> questions = [([1, 2], [[3, 4, 0], [3]])]
    >>> found = md4keras.evaluation.multiple_choice(model, questions, num_samples=2)
    >>> found.chosen.tolist()  # for a new model the shortest answer is the likeliest
    [1]
    """
    check_name("normalize", normalize, UNITS)
    mend = "Use `answer_likelihood` for single answers."
    questions = [
        (prompt, check_list(f"questions[{number}][1]", choices, 2, mend))
        for number, (prompt, choices) in enumerate(_check_pairs("questions", questions, "choices"))
    ]
    counts = [len(choices) for _, choices in questions]
    pairs = [(prompt, choice) for prompt, choices in questions for choice in choices]
    found = answer_likelihood(model, pairs, end, num_samples, seed, batch_size)
    sizes = _sizes(model, [answer for _, answer in pairs], found.tokens, normalize)
    bounds = list(itertools.accumulate(counts))[:-1]
    split = [np.split(x, bounds) for x in (found.nats, found.error, found.cut, sizes)]
    nats, error, cut, sizes = split
    costs = [each / size for each, size in zip(nats, sizes, strict=True)]
    compared = [
        _compare(cost, each / size) for cost, each, size in zip(costs, error, sizes, strict=True)
    ]
    chosen, margin, decided = map(np.array, zip(*compared, strict=True))
    return ChosenAnswers(chosen, nats, error, costs, margin, decided, cut)


def _check_pairs(name: str, values, second: str) -> list:
    """The values as a list, if they are pairs of a prompt and what `second` names."""
    mend = f"Give pairs (prompt, {second}); a prompt may be empty: ('', {second})."
    values = check_list(name, values, mend=mend)
    for number, pair in enumerate(values):
        listed = isinstance(pair, (tuple, list)) or getattr(pair, "ndim", 0)  # rows of an array
        if not listed or len(pair) != 2:
            raise ValueError(
                f"`{name}[{number}]` is no pair. Expected (prompt, {second}). "
                f"Received: {name}[{number}]={pair!r:.60}. {mend}"
            )
    return values


def _compare(cost, error) -> tuple[int, float, bool]:
    """The cheapest, how much more the next one costs, and whether that is beyond the errors."""
    best = int(np.argmin(cost))
    more = np.delete(cost - cost[best], best)
    errors = np.delete(np.hypot(error, error[best]), best)
    return best, float(more.min()), bool((more > 2.0 * errors).all())


def _sizes(model, answers, tokens, unit: str) -> np.ndarray:
    """How many of these units each answer has, `[n]`."""
    if unit == "none":
        return np.ones(len(tokens), int)
    if unit == "token":
        return tokens
    strings = [
        answer if isinstance(answer, str) else text_inputs.decode(model, answer)
        for answer in answers
    ]
    found = np.array([len(string.encode() if unit == "byte" else string) for string in strings])
    if not found.all():
        raise ValueError(
            f"An answer has no {unit}. Expected at least one in each. Received: the tokens "
            f"{answers[int(np.argmin(found))]!r:.60}, which are no text. Normalise by 'token'."
        )
    return found
