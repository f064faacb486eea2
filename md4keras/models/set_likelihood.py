"""The likelihood bound of a set: `evaluate`, on the floor of it that training stands on too."""

import math
import types
import warnings

import keras
import numpy as np
from keras import ops

from md4keras import backend, forward_process, head_loss, losses, metrics, random
from md4keras.checks import check_whole
from md4keras.models import accumulation
from md4keras.models.batches import Batch
from md4keras.models.checked_batches import CheckedBatches
from md4keras.models.host_data import check_host_data, in_tuples

_ROBERTS = (0.7548776662466927, 0.5698402909980532)  # 1/g, 1/g^2 with g^3 = g + 1
_SCORED = "scored_positions"


class SetLikelihood(CheckedBatches):
    """`evaluate` of a model that has a `stratified_masking`, and the metrics.

    All figures are per scored token of all that was seen: sums of nats over sums of tokens,
    whatever the batches and the lengths of their rows.
    """

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
            metrics.Mean(name="loss"),
            metrics.BitsPerDimension(),
            metrics.Perplexity(),
            metrics.Mean(name="diffusion_loss"),
            metrics.Mean(name="reconstruction_loss"),
        ]
        self._positions_seen = 0.0

    @property
    def metrics(self):
        return [*self._means, *super().metrics]

    def stratified_masking(self, batch: Batch, fraction, noise):
        """Masks as a function of evenly spread numbers.

        Args:
            batch: a `Batch` of tensors.
            fraction: float tensor `[B]` in `[0, 1)`.
            noise: float tensor like the tokens, uniform in `[0, 1)`.

        Returns:
            `zt` like the tokens, the time that the network gets `[B]`, and what the cost of the
            masked positions counts, `[B]` (or like the tokens), such that for a uniform `fraction`
            the expectation of their product is the diffusion term of the bound.
        """
        raise NotImplementedError

    def stratified_loss(self, batch: Batch, fraction, noise):
        """The diffusion term under the masks of `stratified_masking`, float32 `[B]`.

        Nats per example (times the positions' weights, if any).
        """
        zt, t, weight = self.stratified_masking(batch, fraction, noise)
        factor, weight = losses.of_rows(weight, batch.position_weight)
        return factor * self.cost_of(batch._replace(weight=weight), zt, t)

    def stratified_costs(self, batch: Batch, fraction, noise):
        """What each position adds to `stratified_loss`, float32 `[B, *data_shape]`."""
        zt, t, weight = self.stratified_masking(batch, fraction, noise)
        costs = self.costs_of(batch, zt, t)
        return forward_process.expand_like(weight, costs) * costs

    def cost_of(self, batch: Batch, zt, t):
        """The cost of the masked positions, `[B]` in nats, without gradients."""
        rows, weight = self.masked_rows(batch, zt, t, training=False), batch.position_weight
        if rows is None:
            return self.masked_cost(self.masking_logits(batch, zt, t), batch.x, zt, weight)
        cost = head_loss.masked_cost(*rows, self.cost_power, self.head_bias)
        return head_loss.per_example(cost, batch.x, weight)

    def costs_of(self, batch: Batch, zt, t):
        """The cost of each masked position, `[B, *data_shape]` in nats, without weights."""
        rows = self.masked_rows(batch, zt, t, training=False)
        if rows is None:
            return self.masked_costs(self.masking_logits(batch, zt, t), batch.x, zt)
        cost = head_loss.masked_cost(*rows, self.cost_power, self.head_bias)
        return ops.reshape(cost, ops.shape(batch.x))

    def evaluation_loss(self, batch: Batch, counted=None):
        """The diffusion term, evenly spread over batch, batches and passes, `[B]`, nats.

        Row `i` of `B` gets the stratum `(i + rotation) mod B` of `B` equal ones, and a place in
        it; both move from batch to batch along a sequence that fills the unit square evenly
        (Roberts 2018), from a random start. Where rows do not count (`counted`, bool `[B]`, is
        False), `B` is the number of those that do.
        """
        point = ops.convert_to_tensor(self.evaluation_point)
        moved = point + ops.convert_to_tensor(_ROBERTS, dtype="float32")
        self.evaluation_point.assign(moved - ops.floor(moved))
        fraction = forward_process.spread_times(point, ops.shape(batch.x)[0], counted)
        seeds = self.evaluation_seed_generator
        noise = forward_process.noise_of_rows(ops.shape(batch.x), seeds, counted)
        rows = (batch, fraction, noise)
        count, number = backend.replicas()
        if count == 1:
            return self.stratified_loss(*rows)
        parts, _ = accumulation.in_parts(rows, count)
        nats = ops.expand_dims(self.stratified_loss(*accumulation.part(parts, number)), 0)
        return accumulation.whole(backend.parts_of_all(nats), ops.shape(batch.x)[0])

    def record(self, batch: Batch, diffusion, training: bool, minimised=None):
        """Updates the metrics with the terms of examples.

        Args:
            batch: a `Batch` of tensors.
            diffusion: float32 tensor `[B]`, the diffusion term in nats.
            training: bool; then what is not finite, whose step is skipped, is left out.
            minimised: float32 tensor `[B]`, what stands in the place of the diffusion term in the
                figure `loss`, or `None` for itself.

        Returns:
            float32 tensor `[B]`, the reconstruction term in nats.
        """
        reconstruction = self.reconstruction_term(batch)
        count, weight = batch.scored_weight(), batch.row_weight
        usual = math.prod(self.network.data_shape)
        if isinstance(count, int) and count == usual:
            count = ops.cast(count, "float32")
        else:  # an example counts as much as it has positions, one of the usual size 1
            count = ops.broadcast_to(ops.cast(count, "float32"), ops.shape(diffusion))
            share = count / usual
            weight = share if weight is None else share * weight
            count = ops.where(count > 0.0, count, 1.0)
        terms = diffusion / count, reconstruction / count
        nelbo = terms[0] + terms[1]
        loss = nelbo if minimised is None else minimised / count + terms[1]
        for mean, value in zip(self._means, (loss, nelbo, nelbo, *terms), strict=True):
            weighted = value, weight
            mean.update_state(*(_finite(*weighted) if training else weighted))
        return reconstruction

    test_step = backend.test_step  # as Keras's trainer of the running backend calls it

    def evaluate_batch(self, x, y=None, sample_weight=None) -> dict:
        """One batch of `evaluate`; returns the running logs, and how many positions it scores."""
        # An unusable batch ends the evaluation.
        batch, counted, _ = self.usable_batch(x, y, sample_weight)
        diffusion = self.evaluation_loss(batch, counted)
        self.record(batch, diffusion, training=False)
        measured = [*self._means, *self._ranges.values()]
        logs = {metric.name: metric.result() for metric in measured}
        scored = ops.broadcast_to(ops.cast(batch.num_scored(), "float32"), ops.shape(diffusion))
        counted = 1.0 if counted is None else ops.cast(counted, "float32")
        return {**logs, _SCORED: ops.sum(scored * counted)}

    def step_findings(self, logs: dict) -> dict:
        """As above; and how many positions an evaluation's step has scored."""
        return {_SCORED: logs.pop(_SCORED, 0.0), **super().step_findings(logs)}

    def look_at_step(self, findings: dict) -> None:
        """As above; counts the positions."""
        super().look_at_step(findings)
        # Of several steps at a time only the last is seen.
        scored = float(ops.convert_to_numpy(findings[_SCORED]))
        self._positions_seen += scored * self.steps_per_execution

    def evaluate(
        self, x=None, y=None, *args, num_passes: int | None = None, seed: int = 0, **kwargs
    ):
        """As `keras.Model.evaluate`, over several passes with evenly spread mask counts.

        The same seed gives the same result; other seeds agree within the Monte Carlo error.

        Args:
            x, y: arrays or a data set that can be read repeatedly; batches as for `fit`.
            num_passes: int; `None` for as many as it takes to score 2**20 positions, 64 at most
                (a generator, which can be read once, has one pass).
            seed: int in `[0, 2**32)`, of the masks.

        Returns:
            list of `loss` (nats per scored position), `bits_per_dim`, `perplexity`,
            `diffusion_loss` and `reconstruction_loss`; a dictionary with `return_dict=True`.

        Raises:
            ValueError: for bad arguments or batches, or where nothing is scored.

        Example:

        >>> model.compile()
        >>> x = np.zeros((4, 8), "int32")
        >>> figures = model.evaluate(x, num_passes=2, verbose=0, return_dict=True)
        >>> round(figures["bits_per_dim"], 2)  # log2(5)
        2.32
        """
        x = in_tuples(x)
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
            check_host_data(self.network, x, y, kwargs.get("sample_weight"))
        self.evaluation_seed_generator.state.assign(np.array([seed, 0], dtype="uint32"))
        self.evaluation_point.assign(np.random.default_rng(seed).random(2))
        self._positions_seen = 0.0
        logs = [self._evaluate_once(x, y, *args, **kwargs)]
        if not during_fit:
            self._check_has_counted()
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
        check_host_data(self.network, x, y)
        return super().test_on_batch(x, y, *args, **kwargs)

    def _evaluate_once(self, *args, **kwargs) -> dict:
        with warnings.catch_warnings():
            if kwargs.get("steps") is None:  # Keras takes the end of a Grain data set for a lack
                warnings.filterwarnings("ignore", message="Your input ran out of data")
            return super().evaluate(*args, return_dict=True, **kwargs)

    def _check_has_counted(self):
        if not float(ops.convert_to_numpy(self._means[0].count)):
            raise ValueError(
                "Nothing was scored. Expected positions that are neither padding nor given, and "
                f"have a weight. Received: {self._positions_seen:.0f} positions, all weights "
                "together 0. Look at 'padding_mask', 'given' and 'sample_weight'."
            )

    def _passes_wanted(self) -> int:
        return int(np.clip(np.ceil(2**20 / max(1.0, self._positions_seen)), 1, 64))


def _finite(values, sample_weight):
    """The finite values and their weights; the others are 0 and count nothing."""
    finite = ops.isfinite(values)
    weight = ops.cast(finite, "float32")
    if sample_weight is not None:
        weight = weight * ops.cast(sample_weight, "float32")
    return ops.where(finite, values, ops.zeros_like(values)), weight
