"""Continuations of a text under a model: drawn, and whether a given one is the likeliest."""

import numpy as np

from md4keras import samplers
from md4keras.evaluation import texts as text_inputs

LIKELIEST_FIRST = samplers.Confidence(filters=(samplers.TopK(1),), ties="first")
"""Of the positions the surest first, at each the likeliest token: what is greedy here."""


def is_likeliest(model, rows: dict, seed: int = 0, batch_size: int = 64) -> np.ndarray:
    """Whether filling a gap as long as the answer, likeliest first, gives exactly the answer.

    The gap stands behind the prompt and ends the row. A step for each token: with a linear
    schedule each reveals one. The gap's length is a hint that no left-to-right model has.

    Args:
        model: a model of text.
        rows: a dictionary of lists of arrays `[length]`, as `answer_rows` returns.
        seed: int in `[0, 2**32)`; chance decides between tokens that are equally likely.
        batch_size: int, rows in one network call. The last call repeats some to be as large, so
            that few shapes are compiled.

    Returns:
        bool array `[n]`.
    """
    tokens, gaps = rows["tokens"], [~np.asarray(given) for given in rows["given"]]
    steps = np.array([gap.sum() for gap in gaps], int)
    lengths = np.array([len(row) for row in tokens], int)
    found = np.zeros(len(gaps), bool)
    for num_steps in np.unique(steps):
        same = np.flatnonzero(steps == num_steps)
        same = same[np.argsort(lengths[same], kind="stable")]  # the others' length is padding
        for begin in range(0, len(same), batch_size):
            part = np.resize(same[begin : begin + batch_size], batch_size)
            filled = model.infill(
                [tokens[row] for row in part],
                [gaps[row] for row in part],
                sampler=LIKELIEST_FIRST,
                num_steps=int(num_steps),
                time_grid="uniform",
                seed=seed,
            )
            for row, text in zip(part, filled, strict=True):
                found[row] = (text == tokens[row]).all()
    return found


def continue_until(model, prompts, until, length: int, settings: dict) -> list[str]:
    """Texts that follow prompts, block by block, each up to the first of some strings.

    Args:
        model: a model of text with a tokenizer.
        prompts: a list of ints `[tokens]`, of any lengths; of a long one the model reads the end.
        until: a list of strings; a text ends before the first of them. The tokenizer's end token
            ends a text too.
        length: int, the most tokens of a text. Nothing more is drawn once all texts have ended.
        settings: dict, the other arguments of `model.generate_blocks`.

    Returns:
        A list of strings, without the prompts and without what ended them.
    """
    end_token = getattr(text_inputs.tokenizer_of(model), "end_token_id", None)
    prompts = [np.asarray(prompt, "int32") for prompt in prompts]
    prompt = prompts if any(map(len, prompts)) else None
    drawn, texts = np.zeros((len(prompts), 0), "int32"), []
    for block in model.generate_blocks(len(prompts), length, prompt=prompt, **settings):
        drawn = np.concatenate([drawn, block], axis=1)
        texts = text_inputs.decode(model, drawn)
        ended = (drawn == end_token).any(axis=1)
        if all(
            done or any(s in text for s in until) for done, text in zip(ended, texts, strict=True)
        ):
            break
    return [_before(text, until) for text in texts]


def _before(text: str, until) -> str:
    """The text before the first of these strings that occurs in it."""
    places = [place for place in (text.find(string) for string in until) if place >= 0]
    return text[: min(places, default=len(text))]
