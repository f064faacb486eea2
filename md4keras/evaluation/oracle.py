"""Samplers judged without a trained network: on sources whose exact denoiser is known.

With the exact denoiser in the network's place, what is wrong in the samples is the sampler's
doing. Two figures tell it: how far the samples' pairs of neighbours are from the source's (total
variation), and the mean of `-log p` of a sample. Below the source's entropy that means too little
variety; above it, samples that the source would seldom give.
"""

import collections.abc

import numpy as np

from md4keras import random
from md4keras import samplers as known_samplers
from md4keras.checks import check_has, check_list, check_whole
from md4keras.evaluation.sources import (
    SOURCE_MEMBERS,
    Entropy,
    Enumerable,
    HiddenMarkov,
    Markov,
    Source,
)
from md4keras.models.md4 import MD4
from md4keras.models.settings import Settings

__all__ = [
    "THE_SOURCE",
    "Entropy",
    "Enumerable",
    "HiddenMarkov",
    "Markov",
    "Source",
    "compare",
    "markdown",
    "quality",
    "rows",
]

THE_SOURCE = "the source itself"


def compare(
    samplers,
    steps,
    source: Source | None = None,
    num_samples: int = 4000,
    temperature: float = 1.0,
    seed: int = 1,
) -> list[dict]:
    """Quality against network calls, for each sampler and number of steps.

    Args:
        samplers: a name, a `Sampler` (also one of your own) or a filter; a list of them; or a
            dictionary `{name: sampler}` or `{name: (sampler, temperature)}`.
        steps: int, or several, of the time grid.
        source: a `Source`, or another object with its methods; `None` for `Markov.random()`, of
            eight states and 32 positions.
        num_samples: int, at least 2, for each row.
        temperature: as in `generate`, where none stands beside the sampler.
        seed: int in `[0, 2**32)`, of the source's own draws; the samples have the next one.

    Returns:
        list of dictionaries. The first is of as many draws of the source itself, and says how far
        these figures scatter by chance: `sampler`, `entropy_nats` and its `entropy_error` (0 where
        the entropy is exact), `pair_distance`, `nats` and `nats_error`. The others have `sampler`,
        `steps`, `network_calls`, and the same three:

        - `pair_distance`: total variation of neighbouring pairs, in `[0, 1]`;
        - `nats`, `nats_error`: mean of `-log p` of a sample, and its standard error; `inf` where a
          sample is one that the source never gives.

    Raises:
        ValueError: for samplers, numbers or a source that cannot be used.

    Example:

    >>> rows = compare("first_hitting", 4, Markov.random(length=8), num_samples=10)
    >>> [(row["sampler"], row["network_calls"]) for row in rows[1:]]
    [('first_hitting', 8)]
    """
    return list(rows(samplers, steps, source, num_samples, temperature, seed))


def rows(
    samplers,
    steps,
    source: Source | None = None,
    num_samples: int = 4000,
    temperature: float = 1.0,
    seed: int = 1,
) -> collections.abc.Iterator[dict]:
    """The rows of `compare`, one after another as they are measured.

    Example:

    >>> first = next(rows("ancestral", 4, num_samples=100))  # the source itself
    >>> sorted(first)[:3]
    ['entropy_error', 'entropy_nats', 'nats']
    """
    chosen = _named(samplers, temperature)
    steps = [steps] if np.ndim(steps) == 0 else steps
    steps = check_list("steps", steps, mend="Use 32, for instance.")
    check_whole("num_samples", num_samples, 2, mend="A standard error needs two samples.")
    random.check_seed(seed)
    source = Markov.random() if source is None else source
    check_has("a source", source, SOURCE_MEMBERS, "Take `Markov`, `HiddenMarkov` or `Enumerable`.")
    seeds = seed, (seed + 1) % 2**32
    runs = [  # a mistake is named before any work
        (name, Settings(sampler, number, "cosine", temperature, seeds[1], 1.0))
        for name, (sampler, temperature) in chosen.items()
        for number in steps
    ]
    model = MD4(source.denoiser())
    for _, settings in runs:
        settings.sampler.check_schedule(model.schedule)
        settings.sampler.check_data_shape(source.data_shape)
    return _rows(model, runs, source, num_samples, seed)


def _rows(model, runs, source, num_samples, seed):
    entropy = source.entropy()
    first = {
        "sampler": THE_SOURCE,
        "entropy_nats": entropy.nats,
        "entropy_error": entropy.error,
    }
    yield first | quality(source, source.draw(num_samples, seed))
    for name, asked in runs:
        settings = {key: getattr(asked, key) for key in ("num_steps", "temperature", "seed")}
        *_, last = model.sample_steps(num_samples, sampler=asked.sampler, **settings)
        row = {"sampler": name, "steps": asked.num_steps, "network_calls": last.calls}
        yield row | quality(source, last.tokens)


def markdown(rows: list[dict]) -> str:
    """The rows of `compare` as Markdown: a line a sampler, a column for each number of steps.

    A cell is the distance of pairs, the mean of `-log p` in nats, and in brackets the network
    calls.

    Raises:
        ValueError: for no rows.

    Example:

    >>> table = [
    ...     {"pair_distance": 0.01, "nats": 51.0, "entropy_nats": 50.0, "entropy_error": 0.0},
    ...     {"sampler": "event", "steps": 8, "network_calls": 8, "pair_distance": 0.03, "nats": 52}
    ... ]
    >>> print(markdown(table))
    As many samples of the source itself: 0.010, 51.0; its entropy: 50.0 nats.
    <BLANKLINE>
    | sampler | 8 steps |
    | --- | --- |
    | event | 0.030, 52.0 (8) |
    """
    first, *rest = check_list("rows", rows, mend="Pass what `compare` returns, its first row too.")
    columns = list(dict.fromkeys(row["steps"] for row in rest))
    lines = [["sampler", *(f"{number} steps" for number in columns)]]
    lines += [["---"] * len(lines[0])]
    for name in dict.fromkeys(row["sampler"] for row in rest):
        cells = {row["steps"]: _cell(row) for row in rest if row["sampler"] == name}
        lines.append([name, *(cells.get(number, "") for number in columns)])
    error = f" ± {first['entropy_error']:.1f}" if first["entropy_error"] else ""
    return (
        f"As many samples of the source itself: {first['pair_distance']:.3f}, "
        f"{first['nats']:.1f}; its entropy: {first['entropy_nats']:.1f}{error} nats.\n\n"
    ) + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(row) -> str:
    return f"{row['pair_distance']:.3f}, {row['nats']:.1f} ({row['network_calls']})"


def quality(source: Source, x) -> dict:
    """The figures of a set of samples: how far they are from the source, and how likely.

    Args:
        source: a `Source`.
        x: int `[n, length]`, at least two samples.

    Returns:
        dictionary of `pair_distance`, `nats` and `nats_error`; see `compare`.

    Example:

    >>> source = Markov.random(length=8)
    >>> sorted(quality(source, source.draw(10, seed=0)))
    ['nats', 'nats_error', 'pair_distance']
    """
    pairs = np.zeros((source.vocabulary_size,) * 2)
    np.add.at(pairs, (x[:, :-1].ravel(), x[:, 1:].ravel()), 1)
    nats = -source.log_probability(x)
    possible = bool(np.isfinite(nats).all())
    return {
        "pair_distance": float(0.5 * np.abs(pairs / pairs.sum() - source.neighbours()).sum()),
        "nats": float(nats.mean()),
        "nats_error": float(nats.std(ddof=1) / len(x) ** 0.5) if possible else float("inf"),
    }


def _named(samplers, temperature) -> dict:
    """`{name: (sampler, temperature)}`."""
    if isinstance(samplers, collections.abc.Mapping):
        pairs = samplers.items()
    else:
        several = isinstance(samplers, (list, tuple))
        pairs = [(_name(each), each) for each in (samplers if several else [samplers])]
    chosen = {
        name: each if isinstance(each, tuple) else (each, temperature) for name, each in pairs
    }
    if not chosen or len(chosen) < len(pairs) or any(len(each) != 2 for each in chosen.values()):
        raise ValueError(
            "There are no samplers to compare, two of one name, or one that is no pair with its "
            "temperature. Expected names, samplers or a dictionary of them, also as pairs. "
            f"Received: samplers={samplers!r}. Write {{'cold': ('ancestral', 0.5)}}, for instance."
        )
    return {
        name: (known_samplers.get(sampler), number) for name, (sampler, number) in chosen.items()
    }


def _name(sampler) -> str:
    return sampler if isinstance(sampler, str) else repr(sampler)
