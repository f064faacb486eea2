"""Whether an objective is a bound: its expected loss on distributions whose entropy is known.

A loss that bounds `-log p(x)` from above cannot fall below the entropy on average, whatever the
network predicts. With the exact denoiser in the network's place it is as low as it can get by
honest means, so that an objective that counts something not at all, or given what it should
predict, is seen at once.
"""

import collections.abc
import contextlib
import functools
import inspect
import math
from typing import NamedTuple

import numpy as np
from keras import ops

from md4keras import random
from md4keras.checks import check_has, check_whole
from md4keras.evaluation.sources import SOURCE_MEMBERS, Enumerable
from md4keras.models.batches import Batch

__all__ = ["BoundReport", "Conditionals", "Finding", "check_bound", "standard_sources"]

ROUNDS = 64
"""Independent rounds of draws, from whose scatter the standard error is taken."""

ERRORS = 6.0
"""Standard errors below the entropy at which an objective is held to be no bound."""

_ENDS = 1e-3  # of N ln V: what schedules that do not quite reach 0 and 1 leave out
_METHODS = ("compute_loss", "stratified_loss", "reconstruction_term")
_MODEL = (*_METHODS, "schedule", "seed_generator")


class Finding(NamedTuple):
    """The expected loss on one distribution; in nats per example.

    Attributes:
        source: str, the distribution's name.
        measured_by: str, `"fit"` or `"evaluate"` of a model, `"objective"` of a function.
        entropy: float.
        gap: float, the expected loss minus the entropy: how loose the bound is.
        error: float, the standard error of the gap.
        allowance: float, how far below the entropy is forgiven beside the error: a thousandth of
            `N ln V`, for schedules that begin and end a little off 1 and 0.
        excess: float, how far `fit`'s loss lies above what `evaluate` averages, where that is more
            than chance and the allowance explain; else 0.

    Example:

    >>> finding = Finding("coin", "objective", entropy=0.69, gap=-0.2, error=0.001, allowance=0.0)
    >>> finding.holds, round(finding.loss, 2)  # below the entropy: no bound
    (False, 0.49)
    """

    source: str
    measured_by: str
    entropy: float
    gap: float
    error: float
    allowance: float
    excess: float = 0.0

    @property
    def loss(self) -> float:
        """The expected loss."""
        return self.entropy + self.gap

    @property
    def resolution(self) -> float:
        """How far below the entropy a loss has to lie to be noticed."""
        return ERRORS * self.error + self.allowance

    @property
    def holds(self) -> bool:
        """Whether the loss is not below the entropy, and what `evaluate` averages."""
        return self.gap >= -self.resolution and not self.excess

    def beside(self, evaluated: "Finding") -> "Finding":
        """This finding of `fit`, which knows of its `excess` over that of `evaluate`."""
        excess = self.gap - evaluated.gap
        resolution = ERRORS * math.hypot(self.error, evaluated.error) + self.allowance
        is_other = evaluated.holds and excess > resolution
        return self._replace(excess=excess if is_other else 0.0)


class BoundReport(NamedTuple):
    """What `check_bound` found; as text, a table.

    Attributes:
        findings: tuple of `Finding`.

    Example:

    >>> finding = Finding("coin", "objective", entropy=0.69, gap=0.01, error=0.001, allowance=0.0)
    >>> BoundReport((finding,)).holds
    True
    """

    findings: tuple

    @property
    def holds(self) -> bool:
        """Whether each loss is a bound, and `fit`'s the one that `evaluate` measures."""
        return all(finding.holds for finding in self.findings)

    def raise_if_not(self) -> "BoundReport":
        """This report, if the bound holds; else raises a `ValueError` that says where not."""
        for finding in self.findings:
            if finding.excess:
                raise ValueError(
                    "The loss of fit is not the bound. Expected what evaluate averages, "
                    f"{finding.loss - finding.excess:.4f} nats on '{finding.source}'. Received: "
                    f"{finding.loss:.4f} ± {finding.error:.4f}, measured by fit. Its perplexity "
                    "is not the model's: take `evaluate` or `score`."
                )
            if not finding.holds:
                raise ValueError(
                    "The objective is no bound: its expected loss lies below the entropy. Expected "
                    f"at least {finding.entropy:.4f} nats on '{finding.source}'. Received: "
                    f"{finding.loss:.4f} ± {finding.error:.4f}, measured by {finding.measured_by}. "
                    "Count each token's nats once in full, given nothing but what was revealed "
                    "before it."
                )
        return self

    def __str__(self) -> str:
        verdicts = {True: "yes", False: "NO"}
        lines = [
            "distribution    measured by   entropy      loss       gap   ± error   a bound?",
            *(
                f"{each.source:<15} {each.measured_by:<11} {each.entropy:>9.4f} {each.loss:>9.4f} "
                f"{each.gap:>9.4f} {each.error:>9.4f}   "
                + ("not the bound" if each.excess else verdicts[each.holds])
                for each in self.findings
            ),
            "Nats per example, with the exact denoiser. A gap above 0 says how loose the bound is.",
        ]
        return "\n".join(lines)


class Conditionals:
    """The exact denoiser as an objective calls it: `denoiser(z)`.

    Attributes:
        mask_token: int, which stands in `z` for what is not revealed; the vocabulary's size.

    Example:

    >>> coins = np.array([[0.5, 0.0], [0.0, 0.5]])  # two that are always alike
    >>> denoiser = Conditionals(md4keras.evaluation.oracle.Enumerable(coins))
    >>> print(np.exp(denoiser(np.array([[0, 2]]))).round(2))  # 2 is the mask
    [[[1. 0.]
      [1. 0.]]]
    """

    def __init__(self, source):
        self.mask_token = source.vocabulary_size
        self._layer = source.denoiser()

    def __call__(self, z) -> np.ndarray:
        """`log p(x_i | what z reveals)`: int `[B, N]` to float32 `[B, N, V]`."""
        tokens = ops.cast(ops.convert_to_tensor(z), "int32")
        return ops.convert_to_numpy(self._layer({"tokens": tokens}))


def standard_sources() -> dict[str, Enumerable]:
    """The distributions that `check_bound` takes by default: four tokens of three values.

    `independent`: uneven tokens, each on its own; `pairs`: two tokens, each told twice, side by
    side; `checksum`: any three tokens, and the fourth makes the sum a multiple of three; `random`:
    all mixed.

    Example:

    >>> {name: round(each.entropy().nats, 2) for name, each in standard_sources().items()}["pairs"]
    2.2
    """
    tokens = np.indices((3,) * 4)
    one = np.array([0.6, 0.3, 0.1])
    weights = {
        "independent": one[tokens].prod(axis=0),
        "pairs": (tokens[0] == tokens[1]) & (tokens[2] == tokens[3]),
        "checksum": tokens.sum(axis=0) % 3 == 0,
    }
    sources = {name: Enumerable(weight / weight.sum()) for name, weight in weights.items()}
    return {**sources, "random": Enumerable.random(3, 4)}


def check_bound(
    objective, sources: dict | None = None, num_draws: int = 2**15, seed: int = 0
) -> BoundReport:
    """Measures whether an objective's expected loss stays above the entropy.

    Sequences and masks are drawn; `-log p(x)` is taken off each loss, so that which sequences were
    drawn adds no noise. The loss is held to be no bound where it lies six standard errors (and a
    thousandth of `N ln V`) below the entropy. A true bound falls there in fewer than 1 of 10,000
    seeds, all standard distributions together: Student's distribution of 64 rounds gives 1 of 20
    million for each figure, and the rest is left for losses with heavy tails, such as those
    weighted by `1/t`. `Finding.resolution` says how small a fault goes unnoticed.

    Args:
        objective: one of

            - a model's class, or a function from a network to a model, such as
              `functools.partial(MD4, timesteps=4)`. Its network is the exact denoiser. Measured
              are the loss of `fit`'s steps and the estimate that `evaluate` and `score` average;
            - a function `(x, denoiser, rng)` to the loss of each example, float `[B]` in nats.
              `x`: int32 array `[B, N]`; `denoiser`: see `Conditionals`; `rng`: a NumPy generator,
              the only source of chance.
        sources: dictionary of `Enumerable`, or of other objects with their methods, by name;
            `None` for `standard_sources()`.
        num_draws: int, at least 128, losses drawn for each figure.
        seed: int in `[0, 2**32)`.

    Returns:
        A `BoundReport`: `holds`, `findings`, `raise_if_not()`, and a table as text.

    Raises:
        ValueError: for something else than an objective, or losses that are not finite `[B]`.

    Example:

    >>> def nothing_counts(x, denoiser, rng):
    ...     return np.zeros(len(x))
    >>> check_bound(nothing_counts, num_draws=128).holds
    False
    """
    losses = _of_model if _builds_models(objective) else _of_function
    check_whole("num_draws", num_draws, 2 * ROUNDS, mend="A round needs two draws.")
    random.check_seed(seed)
    sources = standard_sources() if sources is None else sources
    if not isinstance(sources, collections.abc.Mapping) or not sources:
        raise ValueError(
            "Distributions have names. Expected a dictionary of one or more sources. "
            f"Received: sources={sources!r}. Pass {{'mine': Enumerable(joint)}}, for instance."
        )
    for source in sources.values():
        mend = "Take `Enumerable`, `Markov` or `HiddenMarkov`."
        check_has("a source", source, SOURCE_MEMBERS, mend)
    findings = []
    for name, source in sources.items():
        rng = np.random.default_rng(seed)
        entropy = source.entropy().nats
        allowance = _ENDS * source.data_shape[0] * math.log(source.vocabulary_size)
        found = {}
        for measured_by, mean_loss in losses(objective, source, rng).items():
            gap, error = _gap(mean_loss, source, num_draws // ROUNDS, rng)
            found[measured_by] = Finding(name, measured_by, entropy, gap, error, allowance)
        if "evaluate" in found:  # of a model
            found["fit"] = found["fit"].beside(found["evaluate"])
        findings += found.values()
    return BoundReport(tuple(findings))


def _gap(mean_loss, source, count: int, rng) -> tuple[float, float]:
    """The mean of `loss + log p(x)` and its standard error, over rounds of `count` examples."""
    gaps = []
    for _ in range(ROUNDS):
        x = source.draw(count, int(rng.integers(2**32)))
        gaps.append(mean_loss(x) + source.log_probability(x).mean())
    return float(np.mean(gaps)), float(np.std(gaps, ddof=1) / ROUNDS**0.5)


def _of_function(objective, source, rng) -> dict:
    """How the mean loss of a batch is formed, by name."""
    denoiser = Conditionals(source)

    def mean_loss(x):
        return _mean(objective(x, denoiser, rng), len(x))

    return {"objective": mean_loss}


def _of_model(build, source, rng) -> dict:
    """As `_of_function`, for a model whose network is the exact denoiser."""
    model = _with_exact_denoiser(build, source)
    model.seed_generator.state.assign(rng.integers(2**32, size=2).astype("uint32"))

    def of_fit(x):
        loss = float(ops.convert_to_numpy(model.compute_loss(x)))  # per position
        return _mean([loss * x[0].size], 1)

    def of_evaluate(x):
        """Strata of the batch in random order, as an evaluation's batches have them."""
        fraction = (rng.permutation(len(x)) + rng.random()) / len(x)
        fraction = np.minimum(fraction.astype("float32"), 1.0 - 2.0**-24)
        noise = rng.random(x.shape, dtype="float32")
        tokens, fraction, noise = map(ops.convert_to_tensor, (x, fraction, noise))
        diffusion = model.stratified_loss(Batch(tokens), fraction, noise)
        return _mean(diffusion + model.reconstruction_term(Batch(tokens)), len(x))

    return {"fit": of_fit, "evaluate": of_evaluate}


def _with_exact_denoiser(build, source):
    """The model, whose network knows of the model's own schedule where tokens have several."""
    mend = "Pass `MD4`, `GenMD4`, or a function from a network to such a model."
    model = build(source.denoiser())
    check_has("a model", model, _MODEL, mend)
    if not model.schedule.per_token:
        return model

    def log_masked(t):  # of the model below, which the name stands for when this is called
        schedule = model.schedule
        if hasattr(schedule, "log_masked"):
            return schedule.log_masked(t)
        return ops.log(ops.maximum(1.0 - schedule.alpha(t), 1e-30))

    model = build(source.denoiser(log_masked))
    return model


def _mean(losses, count: int) -> float:
    try:
        found = np.asarray(ops.convert_to_numpy(losses), "float64")
    except (TypeError, ValueError):  # no numbers
        found = np.array(math.nan)
    if found.shape != (count,) or not np.isfinite(found).all():
        raise ValueError(
            f"An objective gives each example's loss. Expected finite numbers of shape ({count},). "
            f"Received: shape={found.shape}, {str(losses)[:60]}. Sum over positions, and leave "
            "out what is infinite."
        )
    return float(found.mean())


def _builds_models(objective) -> bool:
    """Whether it makes a model of a network, rather than losses of `(x, denoiser, rng)`."""
    function = objective.func if isinstance(objective, functools.partial) else objective
    is_class = isinstance(function, type)
    if is_class and all(hasattr(function, name) for name in _METHODS):
        return True
    required = []
    if callable(objective) and not is_class:
        with contextlib.suppress(TypeError, ValueError):  # of functions that do not tell
            parameters = inspect.signature(objective).parameters.values()
            required = [
                p.name for p in parameters if p.default is p.empty and p.kind < p.VAR_POSITIONAL
            ]
    if len(required) not in (1, 3):
        found = f"without all of {_METHODS}" if is_class else f"with arguments {required}"
        raise ValueError(
            "This is no objective. Expected a model's class, a function of a network, or one of "
            f"(x, denoiser, rng). Received: {objective!r} {found}. "
            "Fix the other arguments with `functools.partial`."
        )
    return len(required) == 1
