"""The likelihood bound of data: of a set (`evaluate`), and of single examples (`score`).

Both average `stratified_loss`, the diffusion term as a function of evenly spread numbers.
"""

import types
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from md4keras import backend, forward_process, head_loss, metrics, random
from md4keras.checks import as_array, check_mask, check_whole
from md4keras.models import validation
from md4keras.models.checked_batches import CheckedBatches
from md4keras.models.filled_batches import counted_rows

_ROBERTS = (0.7548776662466927, 0.5698402909980532)  # 1/g, 1/g^2 with g^3 = g + 1


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
        x, labels, given: int32 `[B, *data_shape]`; int32 `[B]` or `None`; bool like `x` or `None`.
        example, draw: int32 `[B]`.
        num_samples: float32 scalar, the draws of each example.
        seed: int32 scalar, the word of the seed.
    """

    x: Any
    labels: Any
    given: Any
    example: Any
    draw: Any
    num_samples: Any
    seed: Any


class Likelihood(CheckedBatches):
    """`evaluate` and `score` of a model that has a `stratified_loss`."""

    def __init__(self, network, seed: int | None = None, **kwargs):
        super().__init__(network, seed, **kwargs)
        self.evaluation_seed_generator = keras.random.SeedGenerator(0)
        self.evaluation_point = self.add_weight(
            name="evaluation_point",
            shape=(2,),
            initializer="zeros",
            trainable=False,
            dtype="float32",
        )
        self._means = [
            keras.metrics.Mean(name="loss"),
            metrics.BitsPerDimension(),
            metrics.Perplexity(),
            keras.metrics.Mean(name="diffusion_loss"),
            keras.metrics.Mean(name="reconstruction_loss"),
        ]

    @property
    def metrics(self):
        return [*self._means, *super().metrics]

    def stratified_loss(self, x, labels, fraction, noise, given=None):
        """The diffusion term as a function of evenly spread numbers.

        Args:
            x: int tensor `[B, *data_shape]`.
            labels: int tensor `[B]` or `None`.
            fraction: float tensor `[B]` in `[0, 1)`; uniform, the expectation is the bound's.
            noise: float tensor like `x`, uniform in `[0, 1)`.
            given: bool tensor like `x`, positions that stay clean and are not scored, or `None`.

        Returns:
            float32 tensor `[B]`, nats per example.
        """
        raise NotImplementedError

    def cost_of(self, x, zt, t, labels):
        """The cost of the masked positions, `[B]` in nats, without gradients."""
        rows = self.masked_rows(x, zt, t, labels, training=False)
        if rows is None:
            return self.masked_cost(self.network_logits(zt, t, labels), x, zt)
        return head_loss.per_example(head_loss.masked_cost(*rows, self.cost_power), x)

    def evaluation_loss(self, x, labels, counted=None):
        """The diffusion term, evenly spread over batch, batches and passes, `[B]`, nats.

        Row `i` of `B` gets the stratum `(i + rotation) mod B` of `B` equal ones, and a place in
        it; both move from batch to batch along a sequence that fills the unit square evenly
        (Roberts 2018), from a random start. Where rows do not count (`counted`, bool `[B]`, is
        False), `B` is the number of those that do.
        """
        point = ops.convert_to_tensor(self.evaluation_point)
        moved = point + ops.convert_to_tensor(_ROBERTS, dtype="float32")
        self.evaluation_point.assign(moved - ops.floor(moved))
        fraction = forward_process.spread_times(point, ops.shape(x)[0], counted)
        noise = keras.random.uniform(
            ops.shape(x), seed=self.evaluation_seed_generator, dtype="float32"
        )
        return self.stratified_loss(x, labels, fraction, noise)

    def record(self, x, diffusion, sample_weight, training: bool):
        """Updates the metrics with the terms of examples.

        Args:
            x: int tensor `[B, *data_shape]`.
            diffusion: float32 tensor `[B]`, the diffusion term in nats.
            sample_weight: float `[B]` or `None`.
            training: bool; then what is not finite, whose step is skipped, is left out.

        Returns:
            float32 tensor `[B]`, the reconstruction term in nats.
        """
        num_positions = ops.cast(forward_process.positions(x), "float32")
        reconstruction = self.reconstruction_term(x)
        terms = diffusion / num_positions, reconstruction / num_positions
        nelbo = terms[0] + terms[1]
        for mean, value in zip(self._means, (nelbo, nelbo, nelbo, *terms), strict=True):
            weighted = value, sample_weight
            mean.update_state(*(_finite(*weighted) if training else weighted))
        return reconstruction

    test_step = backend.test_step  # as Keras's trainer of the running backend calls it

    def evaluate_batch(self, x, y=None, sample_weight=None) -> dict:
        """One batch of `evaluate`; returns the running logs."""
        x, labels, _ = self.usable_batch(x, y)  # an unusable one ends the evaluation
        counted, sample_weight = counted_rows(sample_weight)
        diffusion = self.evaluation_loss(x, labels, counted)
        self.record(x, diffusion, sample_weight, training=False)
        measured = [*self._means, *self._id_ranges.values()]
        return {metric.name: metric.result() for metric in measured}

    def evaluate(
        self, x=None, y=None, *args, num_passes: int | None = None, seed: int = 0, **kwargs
    ):
        """As `keras.Model.evaluate`, over several passes with evenly spread mask counts.

        The same seed gives the same result; other seeds agree within the Monte Carlo error.

        Args:
            x, y: arrays or a data set that can be read repeatedly.
            num_passes: int; `None` for as many as it takes to see 2**20 positions, 64 at most
                (a generator, which can be read once, has one pass).
            seed: int in `[0, 2**32)`, of the masks.

        Returns:
            list of `loss` (nats per dimension), `bits_per_dim`, `perplexity`, `diffusion_loss` and
            `reconstruction_loss`; a dictionary with `return_dict=True`.
        """
        if isinstance(x, types.GeneratorType):
            num_passes = 1 if num_passes is None else num_passes
            mend = "A generator can be read once; give an array or a data set for more."
            check_whole("num_passes", num_passes, most=1, mend=mend)
        elif num_passes is not None:
            check_whole("num_passes", num_passes)
        random.check_seed(seed)
        if not self.compiled:
            super().compile(optimizer=None)  # an evaluation needs none
        during_fit = kwargs.get("_use_cached_eval_dataset", False)
        return_dict = kwargs.pop("return_dict", False)
        if not during_fit:
            validation.check_host_data(self.network, x, y, kwargs.get("sample_weight"))
        self.evaluation_seed_generator.state.assign(np.array([seed, 0], dtype="uint32"))
        self.evaluation_point.assign(np.random.default_rng(seed).random(2))
        logs = [self._evaluate_once(x, y, *args, **kwargs)]
        if num_passes is None:
            num_passes = 1 if during_fit else self._passes_wanted()
        kwargs["verbose"] = 0
        for _ in range(1, num_passes):
            logs.append(self._evaluate_once(x, y, *args, **kwargs))
        mean = {name: float(np.mean([log[name] for log in logs])) for name in logs[0]}
        mean["perplexity"] = float(np.exp(mean["loss"]))
        return mean if return_dict else [mean[metric.name] for metric in self._means]

    def test_on_batch(self, x, y=None, *args, **kwargs):
        """As `keras.Model.test_on_batch`; checks as `evaluate`."""
        validation.check_host_data(self.network, x, y)
        return super().test_on_batch(x, y, *args, **kwargs)

    def _evaluate_once(self, *args, **kwargs) -> dict:
        with warnings.catch_warnings():
            if kwargs.get("steps") is None:  # Keras takes the end of a Grain data set for a lack
                warnings.filterwarnings("ignore", message="Your input ran out of data")
            return super().evaluate(*args, return_dict=True, **kwargs)

    def _passes_wanted(self) -> int:
        examples = max(1.0, float(self._means[0].count))
        positions = examples * float(np.prod(self.network.data_shape))
        return int(np.clip(np.ceil(2**20 / positions), 1, 64))

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
            x: int tokens `[n, *data_shape]`.
            labels: int or int `[n]`, for a network with classes.
            num_samples: int, at least 2: draws an example. Memory does not grow with it.
            seed: int in `[0, 2**32)`; example `i` depends on `(seed, i)` alone.
            given: bool, the shape of `x` (or of one example): tokens that are known and are not
                scored; `None` for none.
            batch_size: int, draws in one network call.

        Returns:
            The bound and its standard error, float64 arrays `[n]`, nats per example. The error is
            estimated from the differences of strata in pairs ("collapsed strata"), whose
            expectation is at least the variance.

        Raises:
            ValueError: for bad arguments, or a row in which everything is given.
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
    ) -> Iterator[ScoreState]:
        """The scoring of `score` as an iterator, a `ScoreState` after each network call."""
        check_whole("num_samples", num_samples, 2, mend="A standard error needs two draws.")
        check_whole("batch_size", batch_size)
        random.check_seed(seed)
        x, given = _check_scoring(self.network, x, given)
        labels = validation.check_sampling_labels(self.network, labels, len(x))
        return self._score_steps(Draws(x, labels, given, None, None, num_samples, seed), batch_size)

    def _score_steps(self, asked: Draws, batch_size):
        num_samples = asked.num_samples
        count = len(asked.x) * num_samples
        compile_function = backend.compile_function
        score_rows = self._functions.get("score", lambda: compile_function(self, self.draw_bounds))
        total, squares, previous = np.zeros(len(asked.x)), np.zeros(len(asked.x)), np.zeros(1)
        most = -(-count // batch_size)
        for call in range(most):
            # The last rows are repeated, so that one shape is compiled.
            rows = np.arange(call * batch_size, (call + 1) * batch_size)
            example, draw = np.divmod(np.minimum(rows, count - 1), num_samples)
            nats = ops.convert_to_numpy(score_rows(_rows_of(asked, example, draw)))
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
        x, given = draws.x, draws.given
        draw = ops.reshape(draws.draw, (-1,) + (1,) * (len(x.shape) - 1))
        masks, within = random.uniforms(draws.seed, draws.example, ops.shape(x)[1:], draw)
        within = ops.reshape(within, (ops.shape(x)[0], -1))[:, 0]  # one number a row
        fraction = (ops.cast(draws.draw, "float32") + within) / draws.num_samples
        fraction = ops.minimum(fraction, 1.0 - 2.0**-24)
        diffusion = self.stratified_loss(x, draws.labels, fraction, masks, given)
        return diffusion + self.reconstruction_term(x, given)


def closes_pair(draw, num_samples):
    """Whether a draw is the second of two strata that are compared; for arrays and tensors.

    Strata come in pairs; the last of an odd number makes one with its neighbour.
    """
    return (draw % 2 == 1) | ((draw == num_samples - 1) & (num_samples % 2 == 1))


def _finite(values, sample_weight):
    """The finite values and their weights; the others are 0 and count nothing."""
    finite = ops.isfinite(values)
    weight = ops.cast(finite, "float32")
    if sample_weight is not None:
        weight = weight * ops.cast(sample_weight, "float32")
    return ops.where(finite, values, ops.zeros_like(values)), weight


def _rows_of(asked: Draws, example, draw) -> Draws:
    """The rows of one network call."""
    rows = [values if values is None else values[example] for values in asked[:3]]
    seed = np.int32(random.seed_word(int(asked.seed)))
    rows += [example.astype("int32"), draw.astype("int32"), np.float32(asked.num_samples), seed]
    return Draws(*(None if each is None else ops.convert_to_tensor(each) for each in rows))


def _check_scoring(network, x, given):
    """Tokens to score, int32, and what is given, bool like them or `None`."""
    x = as_array("x", x)
    validation.check_host_tokens(network, x, "x")
    if given is not None:
        given = check_mask("given", given, x.shape)
        complete = given.reshape(len(given), -1).all(axis=1)
        if complete.any():
            raise ValueError(
                f"`given` leaves nothing to score in row {int(np.argmax(complete))}. Expected at "
                "least one False in each row. Drop the rows that are known."
            )
    return x.astype("int32"), given
