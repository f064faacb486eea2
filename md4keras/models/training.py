"""The objective of a training step, in parts whose gradients add up."""

import keras
from keras import ops

from md4keras import forward_process, head_loss
from md4keras.models import validation


class Training:
    """`compute_loss` of a model with `draw_maskings`, `masking_weight` and `masked_cost`.

    A step draws one masking or several, and the gradient of each goes through the network on its
    own, so that a training step can finish one before it begins the next:

        step = draw_step(...)
        parts = [masking_objective(step, zt) for zt in step["maskings"]]
        loss = sum of the objectives + closing_objective(step, the terms)
    """

    dense_loss = False
    """Whether `fit` and `evaluate` form the logits of all positions and take the loss from its
    definition, also where head and loss can go over the masked positions alone (`head_loss`). To
    be set before `compile`; of use for comparison."""

    def draw_maskings(self, x):
        """Draws the times `[B]` of a training step and a tuple of maskings (like `x`) at them."""
        raise NotImplementedError

    def masking_weight(self, t):
        """What the cost of a masking at time `t` counts in the diffusion term, like `t`."""
        raise NotImplementedError

    def masked_cost(self, logits, x, zt):
        """The cost of the masked positions, `[B]` in nats, from logits `[B, *data_shape, V]`."""
        raise NotImplementedError

    @property
    def cost_power(self):
        """The exponents in the cost (see `head_loss`), `[V]`, or `None`."""
        return None

    def reported_term(self, terms):
        """The diffusion term of the bound, `[B]`, from those of the maskings."""
        (term,) = terms
        return term

    def masking_surrogate(self, x, time, maskings, terms):
        """`[B]`, whose gradient reaches the schedule through the masking; 0 if there is none."""
        del x, maskings, terms
        return ops.zeros_like(time)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Draws times and masks, runs the network, and averages the negative ELBO.

        Args:
            x: int tokens `[B, *data_shape]`, or a dictionary with `"tokens"` and `"label"`.
            y: int labels `[B]` or `None`.
            y_pred: not used.
            sample_weight: float `[B]` or `None`.
            training: bool, whether to draw as in training or evenly, as `evaluate` does.

        Returns:
            float32 scalar tensor, nats per dimension.
        """
        if not training:
            x, labels = validation.check_tokens(self.network, *validation.split_labels(x, y))
            diffusion, weight = self.evaluation_loss(x, labels), _weight(x, sample_weight)
            nats = diffusion + self._record(x, diffusion, sample_weight, training)
            return ops.sum(weight * nats)
        step = self.draw_step(x, y, sample_weight)
        parts = [self.masking_objective(step, zt) for zt in step["maskings"]]
        objectives, terms = zip(*parts, strict=True)
        return sum(objectives) + self.closing_objective(step, terms)

    def draw_step(self, x, y=None, sample_weight=None) -> dict:
        """Checks a batch and draws what is random about a step, dropout excepted.

        Returns:
            dictionary of `x` `[B, *data_shape]`, `labels` `[B]` or `None`, `sample_weight` `[B]` or
            `None`, `weight` `[B]` (of each example's nats in the loss), `time` `[B]` and
            `maskings`, a tuple of tensors like `x`.
        """
        x, labels = validation.check_tokens(self.network, *validation.split_labels(x, y))
        time, maskings = self.draw_maskings(x)
        return {
            "x": x,
            "labels": labels,
            "sample_weight": sample_weight,
            "weight": _weight(x, sample_weight),
            "time": time,
            "maskings": maskings,
        }

    def masking_objective(self, step, zt):
        """The part of the loss that one masking contributes.

        Args:
            step: from `draw_step`.
            zt: one of its maskings.

        Returns:
            float32 scalar, whose gradient is followed, and the diffusion term `[B]` in nats per
            example, without a gradient.
        """
        x, time = step["x"], step["time"]
        factor = self.masking_weight(time)  # [B]
        weight = step["weight"] * factor / len(step["maskings"])
        objective, cost = self._objective(x, zt, time, step["labels"], weight)
        return objective, factor * cost

    def closing_objective(self, step, terms):
        """The part of the loss that needs no network; records the metrics of the step.

        Args:
            step: from `draw_step`.
            terms: the diffusion terms of its maskings.

        Returns:
            float32 scalar.
        """
        terms = [ops.stop_gradient(term) for term in terms]
        surrogate = self.masking_surrogate(step["x"], step["time"], step["maskings"], terms)
        reported = self.reported_term(terms)
        # The loss has the reported value, and the gradient of what is minimised.
        value = ops.stop_gradient(reported - sum(terms) / len(terms) - surrogate)
        nats = surrogate + value
        nats = nats + self._record(step["x"], reported, step["sample_weight"], training=True)
        return ops.sum(step["weight"] * nats)

    def cost_of(self, x, zt, t, labels):
        """The cost of the masked positions, `[B]` in nats, in evaluation; without gradients."""
        if self._head_kernel is None:
            return self.masked_cost(self.network_logits(zt, t, labels), x, zt)
        rows = self._rows(x, zt, t, labels, training=False)
        return _sum_rows(head_loss.masked_cost(*rows, self.cost_power), x)

    def _objective(self, x, zt, t, labels, weight):
        """`sum_b weight_b cost_b` and the costs `[B]`, the latter without a gradient."""
        if self._head_kernel is None:
            logits = self.network_logits(zt, t, labels, training=True)
            cost = self.masked_cost(logits, x, zt)
            return ops.sum(weight * cost), ops.stop_gradient(cost)
        rows = self._rows(x, zt, t, labels, training=True)
        weight = ops.broadcast_to(forward_process.expand_like(weight, x), ops.shape(x))
        objective, cost = head_loss.masked_objective(
            *rows, ops.reshape(weight, (-1,)), self.cost_power
        )
        return objective, _sum_rows(cost, x)

    @property
    def _head_kernel(self):
        """The head as a matrix, for `head_loss`; `None` where the logits have to be formed."""
        # Devices would exchange the rows that are sorted.
        if self.dense_loss or keras.distribution.distribution() is not None:
            return None
        return getattr(getattr(self.network, "head", None), "linear_kernel", None)

    def _rows(self, x, zt, t, labels, training):
        """What `head_loss` wants to know: features, kernel, clean tokens, and which are masked."""
        features = self.network.features(self._network_inputs(zt, t, labels), training=training)
        features = ops.reshape(features, (-1, features.shape[-1]))  # [B N, width]
        masked = ops.reshape(ops.equal(zt, self.mask_token), (-1,))
        return features, self._head_kernel, ops.reshape(x, (-1,)), masked

    def _record(self, x, diffusion, sample_weight, training):
        """Updates the metrics; returns the reconstruction term, `[B]` in nats per example."""
        num_positions = ops.cast(forward_process.positions(x), "float32")
        reconstruction = self.reconstruction_term(x)
        self.record_nats(
            diffusion / num_positions, reconstruction / num_positions, sample_weight, training
        )
        return reconstruction


def _weight(x, sample_weight):
    """What each example's nats count in the loss, a mean over examples and positions: `[B]`."""
    batch_size = ops.shape(x)[0]
    num_positions = ops.cast(forward_process.positions(x), "float32")
    weight = ops.ones((batch_size,), dtype="float32")
    if sample_weight is not None:
        weight = weight * ops.cast(sample_weight, "float32")
    return weight / (ops.cast(batch_size, "float32") * num_positions)


def _sum_rows(cost, x):
    """`[B N]` to `[B]`."""
    return ops.sum(ops.reshape(cost, (ops.shape(x)[0], -1)), axis=-1)
