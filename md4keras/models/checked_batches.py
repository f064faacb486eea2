"""Batches of a compiled step, which cannot raise: bad values are noted, and raised after it."""

from keras import ops

from md4keras import metrics
from md4keras.models import batches, validation
from md4keras.models.adaptation import Adaptation
from md4keras.models.filled_batches import counted_rows


class CheckedBatches(Adaptation):
    """A model whose steps meet ids that are none of the network's, and bad weights, unharmed."""

    def __init__(self, network, seed: int | None = None, **kwargs):
        super().__init__(network, seed, **kwargs)
        names = (*validation.id_limits(network), "sample_weight")
        self._ranges = {name: metrics.ValueRange(name) for name in names}
        self._steps_seen = 0

    @property
    def metrics(self):
        return [*self._ranges.values()]

    def get_metrics_result(self):
        """As Keras's, without the ranges of values, which are for `step_findings`."""
        results = super().get_metrics_result()
        return {name: value for name, value in results.items() if name not in self._ranges}

    def reset_metrics(self):
        super().reset_metrics()
        self._steps_seen = 0

    def usable_batch(self, x, y=None, sample_weight=None):
        """Checks a batch; what a compiled step cannot raise, it notes for `look_at_step`.

        Args:
            x, y, sample_weight: as Keras's trainer hands them over.

        Returns:
            a `Batch`; which of its rows count, bool `[B]`, or `None` for all; and whether all of
            its ids are the network's and its weights are some, a bool scalar tensor. Ids that are
            not become ids that are, so that the step can go on; it must leave the batch out.
        """
        counted, sample_weight = counted_rows(sample_weight)
        batch = batches.arranged(self.network, x, y, sample_weight)
        batch = batches.as_tensors(self.network, batch)
        checked, usable = {"tokens": batch.x, "labels": batch.labels}, True
        for name, below in validation.id_limits(self.network).items():
            ids = checked[name]
            self._ranges[name].update_state(ids)
            usable = ops.logical_and(usable, ops.all(ops.logical_and(ids >= 0, ids < below)))
            checked[name] = ops.clip(ids, 0, below - 1)
        batch = batch._replace(x=checked["tokens"], labels=checked["labels"])
        if batch.weight is not None:
            # What is no number counts as the smallest: the backends' minima treat it unlike.
            weight = ops.where(ops.isfinite(batch.weight), batch.weight, -float("inf"))
            self._ranges["sample_weight"].update_state(weight)
            usable = ops.logical_and(usable, ops.all(weight >= 0))
        return batch, counted, usable

    def step_findings(self, logs: dict) -> dict:
        """The ranges of ids, and the number of the step."""
        self._steps_seen += 1
        ranges = {name: logs.pop(name) for name in self._ranges}
        return {**ranges, "step": self._steps_seen}

    def look_at_step(self, findings: dict) -> None:
        """Raises a `ValueError` if the step met ids or weights that cannot be used."""
        last = findings["step"] * self.steps_per_execution
        first = last - self.steps_per_execution + 1
        place = f"batch {last}" if first == last else f"one of the batches {first} to {last}"
        for name in self._ranges:
            ends = ops.convert_to_numpy(findings[name])
            validation.check_range(self.network, name, ends, f"{place} of the epoch")
