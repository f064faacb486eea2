"""The quality of samples over how they are drawn: temperatures, steps, samplers. A frontier.

One number does not compare samplers. A lower temperature makes samples better and duller, more
network calls cost time; so each way of drawing is a row with all figures, and a picture shows
where none is better in everything: `md4keras.visualization.frontiers.plot_frontier`.
"""

import collections
import itertools
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from md4keras.checks import check_has, check_name, check_whole
from md4keras.models.settings import Settings
from md4keras.models.validation import check_sampling_labels

__all__ = ["frontier"]

_DEFAULTS = dict(
    sampler="ancestral", num_steps=128, time_grid="cosine", temperature=1.0, guidance_scale=1.0
)


def frontier(
    model, report: Callable, num_samples: int, vary: dict, labels=None, seed=0, batch_size: int = 64
) -> Iterator[dict]:
    """A report for each combination of settings of `model.generate`.

    Args:
        model: a `MD4` or `GenMD4`.
        report: a `TextReport` or an `ImageReport`, or any function of samples that returns a
            dictionary.
        num_samples: int, drawn for each row.
        vary: dictionary of lists: which values of `sampler`, `num_steps`, `time_grid`,
            `temperature` and `guidance_scale` are combined; what is left out has `generate`'s
            default.
        labels: int or int `[num_samples]`, the samples' classes, for a network with classes.
        seed: int in `[0, 2**32)`, the same for all rows.
        batch_size: int, samples drawn together. (Rows depend on it: each batch has a seed of its
            own.)

    Returns:
        An iterator of dictionaries, one after each row is done: the settings, `network_calls` (the
        mean over batches, a call being for a batch), and what the report has.

    Raises:
        ValueError: before anything is drawn: for what is no model or report, settings that are
            unknown or cannot be used, labels that are missing or do not fit, or a report on another
            tokenizer or other images than the model's.

    Example:

    ```python
    report = TextReport(model.tokenizer, CausalModel("gpt2_large"))
    vary = {"temperature": [0.7, 0.85, 1.0], "num_steps": [32, 128]}
    rows = list(frontier(model, report, 512, vary))
    plot_frontier(rows).savefig("frontier.png")
    ```

    >>> report = lambda tokens: {"mean": float(tokens.mean())}
    >>> (row,) = frontier(model, report, 2, {"num_steps": [2]})
    >>> row["num_steps"], row["network_calls"] > 0
    (2, True)
    """
    check_has("a model", model, ("sample_steps", "network"), "Pass a `MD4` or `GenMD4`.")
    check_whole("num_samples", num_samples, least=2, mend="Use 512 or so.")
    check_whole("batch_size", batch_size, mend="Use 64 or so.")
    combined = _combinations(model, vary, seed)
    if hasattr(report, "check"):
        report.check(model)
    check_has("a report", report, ("__call__",), "Pass a `TextReport` or an `ImageReport`.")
    labels = check_sampling_labels(model.network, labels, num_samples)
    return _rows(model, report, num_samples, combined, labels, (seed, batch_size))


def draw(model, num_samples: int, settings: dict, labels=None, seed=0, batch_size: int = 64):
    """Samples in batches, and how often the network was called for a batch.

    Args:
        model, num_samples, labels, seed, batch_size: as in `frontier`.
        settings: dictionary, further arguments of `model.generate`.

    Returns:
        int32 `[num_samples, *data_shape]`, and a float: the mean over batches.
    """
    tokens, calls = [], []
    for number, start in enumerate(range(0, num_samples, batch_size)):
        count = min(batch_size, num_samples - start)
        own = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        part = None if labels is None else labels[start : start + count]
        states = model.sample_steps(count, labels=part, seed=own, **settings)
        (state,) = collections.deque(states, maxlen=1)  # the last one
        tokens.append(state.tokens)
        calls.append(state.calls)
    return np.concatenate(tokens), float(np.mean(calls))


def _rows(model, report, num_samples, combined, labels, how):
    for settings in combined:
        tokens, calls = draw(model, num_samples, settings, labels, *how)
        sampler = settings["sampler"]
        shown = sampler if isinstance(sampler, str) else repr(sampler)
        yield {**settings, "sampler": shown, "network_calls": calls, **report(tokens)}


def _combinations(model, vary: dict, seed) -> list[dict]:
    """The settings of each row, all of them checked."""
    if not isinstance(vary, Mapping):
        raise ValueError(
            "`vary` names the settings with their values. Expected a dictionary of lists. "
            f"Received: vary={vary!r:.60}. Write {{'temperature': [0.7, 1.0]}}, for instance."
        )
    values = {}
    for name, several in vary.items():
        check_name("vary", name, _DEFAULTS, "These are arguments of `model.generate`.")
        if not isinstance(several, (list, tuple, np.ndarray)) or not len(several):
            raise ValueError(
                f"`vary` has no values for {name!r}. Expected a list of at least one. "
                f"Received: {several!r}. Write [{several!r}] for a single one."
            )
        values[name] = [each.item() if isinstance(each, np.generic) else each for each in several]
    lists = [values.get(name, [value]) for name, value in _DEFAULTS.items()]
    combined = [dict(zip(_DEFAULTS, each, strict=True)) for each in itertools.product(*lists)]
    for each in combined:
        Settings(**each, seed=seed).check(model.network)
    return combined
