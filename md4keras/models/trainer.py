"""Training: `fit`, and the objective of a step in parts whose gradients add up."""

import warnings
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from md4keras import backend, forward_process, head_loss
from md4keras.models import validation
from md4keras.models.filled_batches import counted_rows
from md4keras.models.likelihood import Likelihood


class Step(NamedTuple):
    """A batch and what is random about a training step, dropout excepted; tensors.

    Attributes:
        x: int32 `[B, *data_shape]`.
        labels: int32 `[B]`, or `None`.
        sample_weight: float `[B]`, or `None`.
        weight: float32 `[B]`, of each example's nats in the loss.
        time: float32 `[B]`.
        maskings: tuple of tensors like `x`, masked at `time`.
    """

    x: Any
    labels: Any
    sample_weight: Any
    weight: Any
    time: Any
    maskings: tuple


class Trainer(Likelihood):
    """`fit` of a model that has `draw_maskings`.

    A step draws one masking or several, and the gradient of each goes through the network on its
    own, so that a training step can finish one before it begins the next:

        step = draw_step(...)
        parts = [masking_objective(step, zt) for zt in step.maskings]
        loss = sum of the objectives + closing_objective(step, the terms)
    """

    def __init__(self, network, seed: int | None = None, **kwargs):
        super().__init__(network, seed, **kwargs)
        self._gradient_norm = keras.metrics.Mean(name="grad_norm")
        self._skipped_steps = keras.metrics.Sum(name="skipped_steps")

    @property
    def metrics(self):
        return [*super().metrics, self._gradient_norm, self._skipped_steps]

    def compile(self, optimizer="adamw", **kwargs):
        """Configures training; `kwargs` go to `keras.Model.compile`.

        Raises:
            ValueError: if a loss or metrics are given (the model brings its own), if a subclass
                overrides `compute_loss`, or under the `mixed_float16` policy, whose loss scaling
                the skipping of steps would defeat.
        """
        for name in ("loss", "metrics", "weighted_metrics", "loss_weights"):
            if kwargs.get(name) is not None:
                raise ValueError(
                    "The objective of a masked diffusion model is its own negative ELBO. Expected "
                    f"no {name}. Received: {name}={kwargs[name]!r}. Call `compile(optimizer)`."
                )
        if type(self).compute_loss is not Trainer.compute_loss:
            raise ValueError(
                "A training step goes masking by masking and does not call `compute_loss`. "
                f"Expected that of `Trainer`. Received: {type(self).__name__}.compute_loss. "
                "Override `masking_objective` or `closing_objective` instead."
            )
        if self.network.compute_dtype == "float16":
            raise ValueError(
                "Training in float16 is not supported. Expected a float32 or bfloat16 policy. "
                "Received: compute_dtype='float16'. Use the 'mixed_bfloat16' policy."
            )
        super().compile(optimizer=optimizer, **kwargs)

    def fit(self, x=None, y=None, *args, **kwargs):
        """As `keras.Model.fit`; first checks the tokens that are at hand on the host."""
        validation.check_host_data(self.network, x, y, kwargs.get("sample_weight"))
        if kwargs.get("validation_data") is not None:
            held_out = keras.utils.unpack_x_y_sample_weight(kwargs["validation_data"])
            validation.check_host_data(self.network, *held_out)
        self._check_has_optimizer()
        if not isinstance(x, (np.ndarray, dict, keras.utils.PyDataset)) and not ops.is_tensor(x):
            kwargs.setdefault("shuffle", False)  # Keras shuffles arrays, and else warns
        try:
            history = super().fit(x, y, *args, **kwargs)
        finally:
            self.release_shared_buffers()
        skipped = sum(history.history.get("skipped_steps", ()))
        if skipped:
            warnings.warn(
                f"{skipped:.0f} training steps were skipped, because the loss or the gradient was "
                "not finite. Expected none. A smaller learning rate or clipping may mend it.",
                stacklevel=2,
            )
        return history

    def train_on_batch(self, x, y=None, *args, **kwargs):
        """As `keras.Model.train_on_batch`; checks as `fit`."""
        validation.check_host_data(self.network, x, y)
        self._check_has_optimizer()
        return super().train_on_batch(x, y, *args, **kwargs)

    def _check_has_optimizer(self):
        if getattr(self, "optimizer", None) is None:
            raise ValueError(
                "Training needs an optimizer. Expected a call of `compile` before. Received: "
                "optimizer=None. Call `model.compile(keras.optimizers.AdamW(1e-3))`, for instance."
            )

    train_step = backend.train_step  # as Keras's trainer of the running backend calls it
    release_shared_buffers = backend.release_shared_buffers

    def draw_maskings(self, x, counted=None):
        """Draws the times of a training step and maskings at them.

        Args:
            x: int tensor `[B, *data_shape]`.
            counted: bool tensor `[B]`, the rows that count, or `None` for all.

        Returns:
            float32 tensor `[B]` and a tuple of tensors like `x`.
        """
        raise NotImplementedError

    def reported_term(self, terms):
        """The diffusion term of the bound, `[B]`, from those of the maskings."""
        (term,) = terms
        return term

    def masking_surrogate(self, step: Step, terms):
        """`[B]`, whose gradient reaches the schedule through the masking; 0 if there is none.

        Args:
            step: a `Step`.
            terms: the diffusion terms of its maskings, `[B]` each, without gradients.
        """
        return ops.zeros_like(step.time)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The objective of a training step as one expression, for reading and Keras's interface.

        (`train_step` takes the same parts one by one, as their gradients do.)

        Args:
            x: int tokens `[B, *data_shape]`, or a dictionary with `"tokens"` and `"label"`.
            y: int labels `[B]` or `None`.
            sample_weight: float `[B]` or `None`.
            y_pred, training: not used.

        Returns:
            float32 scalar tensor, nats per dimension.
        """
        step = self.draw_step(x, y, sample_weight)
        parts = [self.masking_objective(step, zt) for zt in step.maskings]
        objectives, terms = zip(*parts, strict=True)
        return sum(objectives) + self.closing_objective(step, terms)

    def draw_step(self, x, y=None, sample_weight=None) -> Step:
        """Checks a batch and draws what is random about a step."""
        x, labels, usable = self.usable_batch(x, y)
        counted, sample_weight = counted_rows(sample_weight)
        filled = {} if counted is None else {"counted": counted}
        time, maskings = self.draw_maskings(x, **filled)
        # Steps whose loss is not a number are left out.
        weight = ops.where(usable, _weight(x, sample_weight, counted), float("nan"))
        return Step(x, labels, sample_weight, weight, time, maskings)

    def masking_objective(self, step: Step, zt):
        """The part of the loss that one masking contributes.

        Args:
            step: from `draw_step`.
            zt: one of its maskings.

        Returns:
            float32 scalar, whose gradient is followed, and the diffusion term `[B]` in nats per
            example, without a gradient. Their definition is `diffusion_term`.
        """
        x = step.x
        factor = self.masking_weight(step.time)  # [B]
        weight = step.weight * factor / len(step.maskings)
        rows = self.masked_rows(x, zt, step.time, step.labels, training=True)
        if rows is None:
            logits = self.network_logits(zt, step.time, step.labels, training=True)
            cost = self.masked_cost(logits, x, zt)
            return ops.sum(weight * cost), factor * ops.stop_gradient(cost)
        weight = ops.broadcast_to(forward_process.expand_like(weight, x), ops.shape(x))
        objective, cost = head_loss.masked_objective(
            *rows, ops.reshape(weight, (-1,)), self.cost_power
        )
        return objective, factor * head_loss.per_example(cost, x)

    def closing_objective(self, step: Step, terms):
        """The part of the loss that needs no network, float32 scalar; records the metrics.

        Args:
            step: from `draw_step`.
            terms: the diffusion terms of its maskings.
        """
        terms = [ops.stop_gradient(term) for term in terms]
        surrogate = self.masking_surrogate(step, terms)
        # Of a batch that cannot be used the metrics take nothing.
        reported = ops.where(ops.isnan(step.weight), float("nan"), self.reported_term(terms))
        # The loss has the reported value, and the gradient of what is minimised.
        value = ops.stop_gradient(reported - sum(terms) / len(terms) - surrogate)
        nats = surrogate + value
        nats = nats + self.record(step.x, reported, step.sample_weight, training=True)
        return ops.sum(step.weight * nats)

    def step_logs(self, gradient_norm, finite):
        """Records one training step and returns the running logs."""
        finite = ops.cast(finite, "float32")
        norm = ops.where(finite > 0, gradient_norm, ops.zeros_like(gradient_norm))
        self._gradient_norm.update_state(norm, sample_weight=finite)
        self._skipped_steps.update_state(1.0 - finite)
        return {metric.name: metric.result() for metric in self.metrics}


def _weight(x, sample_weight, counted):
    """What each example's nats count in the loss, a mean over examples and positions: `[B]`."""
    weight = ops.ones((ops.shape(x)[0],), dtype="float32")
    if sample_weight is not None:
        weight = weight * ops.cast(sample_weight, "float32")
    num_rows = ops.shape(x)[0] if counted is None else ops.sum(ops.cast(counted, "float32"))
    num_positions = ops.cast(forward_process.positions(x), "float32")
    return weight / (ops.cast(num_rows, "float32") * num_positions)
