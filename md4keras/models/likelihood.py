"""The likelihood bound of single examples: `score`.

As `evaluate`, it averages `stratified_loss`, the diffusion term as a function of evenly spread
numbers.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from keras import ops

from md4keras import backend, random
from md4keras.checks import as_array, check_whole
from md4keras.models import batches, validation
from md4keras.models.batches import Batch
from md4keras.models.set_likelihood import SetLikelihood


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


class Draws(NamedTuple):
    """Rows to score, as tensors, and which draw of masks of which example each row is.

    Attributes:
        batch: a `Batch` without weights.
        example, draw: int32 `[B]`.
        num_samples: float32 scalar, the draws of each example.
        seed: int32 scalar, the word of the seed.
    """

    batch: Batch
    example: Any
    draw: Any
    num_samples: Any
    seed: Any


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
    ):
        """An upper bound on `-log p(x)` of each example, in nats (the negative ELBO).

        An average over `num_samples` draws of masks, evenly spread over time (one draw in each of
        as many equal strata). With `given`, a bound on `-log p(rest | given)`.

        Args:
            x: int tokens `[n, *data_shape]`; a list of texts' ids, of any lengths; or a dictionary
                with `"tokens"`, and `"label"`, `"padding_mask"`, `"given"` or `"segment_ids"` (see
                `fit`). What a text costs does not depend on the padding behind it.
            labels: int or int `[n]`, for a network with classes.
            num_samples: int, at least 2: draws an example. Memory does not grow with it.
            seed: int in `[0, 2**32)`; example `i` depends on `(seed, i)` alone.
            given: bool, the shape of `x` (or of one example; a list, if that is one): tokens that
                are known and are not scored; `None` for none.
            batch_size: int, draws in one network call.

        Returns:
            The bound and its standard error, float64 arrays `[n]`, nats per example. The error is
            estimated from the differences of strata in pairs ("collapsed strata"), whose
            expectation is at least the variance.

        Raises:
            ValueError: for bad arguments, or a row in which nothing is scored.
        """
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
        """The scoring of `score` as an iterator, a `ScoreState` after each network call.

        Args:
            x, labels, num_samples, seed, given, batch_size: as of `score`.
            first_example: int, the number of the first example, where a set is scored in parts:
                the draws are those of the whole set.
        """
        check_whole("num_samples", num_samples, 2, mend="A standard error needs two draws.")
        check_whole("batch_size", batch_size)
        check_whole("first_example", first_example, 0)
        random.check_seed(seed)
        batch = _check_scoring(self.network, x, labels, given)
        asked = Draws(batch, None, None, num_samples, seed)
        return self._score_steps(asked, batch_size, first_example)

    def _score_steps(self, asked: Draws, batch_size, first):
        num_samples = asked.num_samples
        num_rows = len(asked.batch.x)
        count = num_rows * num_samples
        compile_function = backend.compile_function
        score_rows = self._functions.get("score", lambda: compile_function(self, self.draw_bounds))
        total, squares, previous = np.zeros(num_rows), np.zeros(num_rows), np.zeros(1)
        most = -(-count // batch_size)
        for call in range(most):
            # The last rows are repeated, so that one shape is compiled.
            rows = np.arange(call * batch_size, (call + 1) * batch_size)
            example, draw = np.divmod(np.minimum(rows, count - 1), num_samples)
            nats = backend.to_numpy(score_rows(_rows_of(asked, example, draw, first)))
            nats = nats[: count - call * batch_size].astype("float64")
            example, draw = example[: len(nats)], draw[: len(nats)]
            differences = np.diff(np.concatenate([previous, nats]))
            paired = closes_pair(draw, num_samples)
            np.add.at(total, example, nats)
            np.add.at(squares, example, np.where(paired, differences**2, 0.0))
            previous = nats[-1:]
            if call + 1 < most:
                yield ScoreState(None, None, call + 1, most)
        yield ScoreState(total / num_samples, np.sqrt(squares) / num_samples, most, most)

    def draw_bounds(self, draws: Draws):
        """The bound of each row under one draw of masks, float32 `[B]` in nats; see `score`."""
        x = draws.batch.x
        draw = ops.reshape(draws.draw, (-1,) + (1,) * (len(x.shape) - 1))
        masks, within = random.uniforms(draws.seed, draws.example, ops.shape(x)[1:], draw)
        within = ops.reshape(within, (ops.shape(x)[0], -1))[:, 0]  # one number a row
        fraction = (ops.cast(draws.draw, "float32") + within) / draws.num_samples
        fraction = ops.minimum(fraction, 1.0 - 2.0**-24)
        diffusion = self.stratified_loss(draws.batch, fraction, masks)
        return diffusion + self.reconstruction_term(draws.batch)


def closes_pair(draw, num_samples):
    """Whether a draw is the second of two strata that are compared; for arrays and tensors.

    Strata come in pairs; the last of an odd number makes one with its neighbour.
    """
    return (draw % 2 == 1) | ((draw == num_samples - 1) & (num_samples % 2 == 1))


def _rows_of(asked: Draws, example, draw, first: int) -> Draws:
    """The rows of one network call; the examples are counted from `first`."""
    parts = [None if part is None else part[example] for part in asked.batch]
    batch = Batch(*(None if part is None else ops.convert_to_tensor(part) for part in parts))
    seed = np.int32(random.seed_word(int(asked.seed)))
    example = (example + first).astype("int32")
    how = (example, draw.astype("int32"), np.float32(asked.num_samples), seed)
    return Draws(batch, *map(ops.convert_to_tensor, how))


def _check_scoring(network, x, labels, given) -> Batch:
    """What is to be scored, as arrays."""
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
    return batch
