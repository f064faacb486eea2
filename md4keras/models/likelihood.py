"""The likelihood of single examples: `score`.

Three ways: the bound that the model was trained for, an average of `stratified_loss` over draws of
masks; two bounds round the likelihood of the order by chance (`brackets`); and the exact likelihood
under a sampler that chooses its positions by the state (`order_likelihood`).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from keras import ops

from md4keras import backend, random
from md4keras.checks import as_array, check_whole
from md4keras.models import batches, brackets, order_likelihood, validation
from md4keras.models.batches import Batch
from md4keras.models.brackets import Bracket
from md4keras.models.draws import Drawn, Draws, DrawSums, Plan, network_calls
from md4keras.models.padding import with_padding
from md4keras.models.set_likelihood import SetLikelihood
from md4keras.samplers.states import Start


class ScoreState(NamedTuple):
    """How far a scoring is.

    Attributes:
        nats, error: float64 arrays `[n]`, the bound and its standard error in nats per example;
            `None` before the last network call.
        calls, most_calls: int, network calls so far and in all.
    """

    nats: np.ndarray | None
    error: np.ndarray | None
    calls: int
    most_calls: int


class Likelihood(SetLikelihood):
    """`score` of a model that has a `stratified_loss`."""

    def score(
        self,
        x,
        labels=None,
        num_samples: int = 64,
        seed: int = 0,
        given=None,
        batch_size: int = 64,
        sampler=None,
        num_steps: int = 128,
        time_grid: str = "cosine",
        bracket: bool = False,
    ):
        """An upper bound on `-log p(x)` of each example, in nats (the negative ELBO).

        An average over `num_samples` draws of masks, evenly spread over time (one draw in each of
        as many equal strata). With `given`, a bound on `-log p(rest | given)`.

        With a `sampler` that chooses its positions by the state alone (`"confidence"` without
        noise, `"left_to_right"`, `"halton"`, `"threshold"`, `"entropy_bound"`), the exact
        `-log p(x)` of what `generate` draws with it where `ties="first"` (with `given`, of what
        `infill` draws), at temperature 1 and without guidance, in as many network calls: see
        `models.order_likelihood`. That is another distribution than the bound's (but for a
        `BlockDiffusion` of blocks of 1, whose bound is exact). (For a temperature, give the sampler
        a filter that divides the logits.)

        With `bracket=True`, bounds from both sides for positions in the order of chance: see
        `models.brackets`.

        Args:
            x: int tokens `[n, *data_shape]`; a list of texts' ids, of any lengths; or a dictionary
                with `"tokens"`, and `"label"`, `"padding_mask"`, `"given"` or `"segment_ids"` (see
                `fit`). What a text costs does not depend on the padding behind it.
            labels: int or int `[n]`, for a network with classes.
            num_samples: int, at least 2 (16 for a bracket): draws an example. Memory does not grow
                with it.
            seed: int in `[0, 2**32)`; example `i` depends on `(seed, i)` alone.
            given: bool, the shape of `x` (or of one example; a list, if that is one): tokens that
                are known and are not scored; `None` for none.
            batch_size: int, draws in one network call (with a sampler, examples).
            sampler: a `Sampler` or its name, or `None` for the bound.
            num_steps, time_grid: of the sampler, as in `generate`.
            bracket: bool.

        Returns:
            The bound and its standard error, float64 arrays `[n]`, nats per example. The error is
            estimated from the differences of strata in pairs ("collapsed strata"), whose
            expectation is at least the variance; with a sampler it is 0. With `bracket=True`, a
            `Bracket`.

        Raises:
            ValueError: for bad arguments, or a row in which nothing is scored.

        Example:

        >>> x = np.zeros((2, 8), "int32")
        >>> nats, error = model.score(x, num_samples=4)
        >>> print(nats.round(1))  # 8 ln 5
        [12.9 12.9]
        >>> nats, error = model.score(x, num_samples=4, given=np.arange(8) < 6)
        >>> print(nats.round(1))  # of the last two tokens
        [3.2 3.2]
        """
        if sampler is not None and bracket:
            raise ValueError(
                "A sampler's likelihood is exact, so there is nothing to bracket. Expected "
                f"`sampler` or `bracket=True`. Received: sampler={sampler!r}, bracket=True. Leave "
                "one of them out."
            )
        if sampler is not None:
            batch = check_scoring(self.network, x, labels, given)
            nats = order_likelihood.nats_of(self, batch, sampler, num_steps, time_grid, batch_size)
            return nats, np.zeros_like(nats)
        if bracket:
            batch = check_scoring(self.network, x, labels, given)
            return self._bracket(batch, num_samples, seed, batch_size)
        *_, last = self.score_steps(x, labels, num_samples, seed, given, batch_size)
        return last.nats, last.error

    def score_steps(
        self,
        x,
        labels=None,
        num_samples: int = 64,
        seed: int = 0,
        given=None,
        batch_size: int = 64,
        first_example: int = 0,
    ) -> Iterator[ScoreState]:
        """The bound of `score` as an iterator, a `ScoreState` after each network call.

        Args:
            x, labels, num_samples, seed, given, batch_size: as of `score`.
            first_example: int, the number of the first example, where a set is scored in parts:
                the draws are those of the whole set.

        Example:

        >>> for state in model.score_steps(np.zeros((2, 8), "int32"), num_samples=4):
        ...     pass
        >>> state.calls, state.most_calls
        (1, 1)
        """
        batch = check_scoring(self.network, x, labels, given)
        steps = self.draw_steps(batch, num_samples, seed, batch_size, first_example)

        def states():
            sums = DrawSums(len(batch.x), num_samples)
            for drawn in steps:
                sums.add(drawn.example, drawn.draw, drawn.values)
                if drawn.calls < drawn.most_calls:
                    yield ScoreState(None, None, drawn.calls, drawn.most_calls)
            yield ScoreState(sums.nats, sums.error, drawn.calls, drawn.most_calls)

        return states()

    def draw_steps(
        self,
        batch: Batch,
        num_samples: int,
        seed: int = 0,
        batch_size: int = 64,
        first_example: int = 0,
        by_position: bool = False,
    ) -> Iterator[Drawn]:
        """The bound under single draws of masks, as an iterator of `Drawn` after each network call.

        Args:
            batch: of `check_scoring`.
            num_samples, seed, batch_size, first_example: as of `score_steps`.
            by_position: bool, whether the values are `[rows, *data_shape]`, what each position
                adds to the bound (the reconstruction term evenly), rather than `[rows]`.
        """
        check_whole("num_samples", num_samples, 2, mend="A standard error needs two draws.")
        check_whole("batch_size", batch_size)
        check_whole("first_example", first_example, 0)
        random.check_seed(seed)
        function = self.draw_costs if by_position else self.draw_bounds
        plan = Plan(batch, num_samples, seed, first_example)
        return network_calls(self._compiled(function, batch, batch_size), plan, batch_size)

    def draw_bounds(self, draws: Draws):
        """The bound of each row under one draw of masks, float32 `[B]` in nats; see `score`."""
        diffusion = self.stratified_loss(draws.batch, *_stratum(draws))
        return diffusion + self.reconstruction_term(draws.batch)

    def draw_costs(self, draws: Draws):
        """As `draw_bounds`, by position: float32 `[B, *data_shape]`, 0 where nothing is scored."""
        batch = draws.batch
        costs = self.stratified_costs(batch, *_stratum(draws))
        count = ops.cast(batch.num_scored(), "float32")
        each = self.reconstruction_term(batch) / count  # [B]
        each = ops.broadcast_to(
            ops.reshape(each, (-1,) + (1,) * (len(costs.shape) - 1)), ops.shape(costs)
        )
        if batch.unscored is not None:
            each = ops.where(batch.unscored, 0.0, each)
        return costs + each

    def path_starts(self, x, start: Start, settings) -> Iterator[tuple[np.ndarray, Start]]:
        """What `order_likelihood` follows, one run after another: the tokens, and their start."""
        yield x, start

    def _bracket(self, batch: Batch, num_samples: int, seed: int, batch_size: int) -> Bracket:
        check_whole("num_samples", num_samples, brackets.LEAST, mend="A bracket needs two halves.")
        check_whole("batch_size", batch_size)
        random.check_seed(seed)
        brackets.check_model(self)
        calls = network_calls(
            self._compiled(self.draw_estimates, batch, batch_size),
            Plan(batch, num_samples, seed),
            batch_size,
        )
        return brackets.of_draws(calls, len(batch.x), num_samples)

    def draw_estimates(self, draws: Draws):
        """`log X` of each row, float32 `[B]`; see `models.brackets`."""
        return brackets.log_estimate(self, draws)

    def _compiled(self, function, batch: Batch, batch_size: int):
        """A function of `Draws`, compiled for the shape of a batch, and kept for a while."""
        layout = [None if part is None else np.shape(part)[1:] for part in batch]
        key = (function.__name__, batch_size, *layout)
        return self._functions.get(key, lambda: backend.compile_function(self, function))


def _stratum(draws: Draws):
    """A number in the stratum of each draw, `[B]`, and noise for its masks."""
    masks, within = draws.uniforms
    within = ops.reshape(within, (ops.shape(masks)[0], -1))[:, 0]  # one number a row
    fraction = (ops.cast(draws.draw, "float32") + within) / draws.num_samples
    return ops.minimum(fraction, 1.0 - 2.0**-24), masks


def check_scoring(network, x, labels=None, given=None) -> Batch:
    """What is to be scored, as arrays, padded to one of the lengths that are compiled for.

    Args:
        network: a network.
        x, labels, given: as of `score`.

    Raises:
        ValueError: for what cannot be scored.
    """
    found, _ = batches.from_lists(batches.entries(x, labels, given))
    if found["sample_weight"] is not None:
        raise ValueError(
            "A score is that of each example. Expected no sample weights. Received: keys "
            f"{sorted(x)}. Leave out 'sample_weight'."
        )
    if not ops.is_tensor(found["tokens"]):
        found["tokens"] = as_array("x", found["tokens"])
    batch = batches.on_host(batches.arranged(network, found))
    validation.check_host_tokens(network, batch.x, "x")
    labels = validation.check_sampling_labels(network, batch.labels, len(batch.x))
    batch = batch._replace(x=batch.x.astype("int32"), labels=labels)
    batches.check_has_scored(batch, "score")
    return with_padding(network, batch)
