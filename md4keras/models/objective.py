"""The objective of a training step, in parts whose gradients add up."""

from keras import ops

from md4keras import forward_process, head_loss, losses
from md4keras.models.likelihood import Likelihood
from md4keras.models.training_step import Step, row_weights


class Objective(Likelihood):
    """What `fit` minimises, of a model that has `draw_maskings`.

    A step draws one masking or several, and the gradient of each goes through the network on its
    own, so that a training step can finish one before it begins the next:

        step = draw_step(...)
        parts = [masking_objective(step, zt) for zt in step.maskings]
        loss = sum of the objectives + closing_objective(step, the terms)
    """

    def draw_maskings(self, x, counted=None, unscored=None):
        """Draws the times of a training step and maskings at them.

        Args:
            x: int tensor `[B, *data_shape]`.
            counted: bool tensor `[B]`, the rows that count, or `None` for all.
            unscored: bool tensor like `x`, positions that are never masked, or `None`.

        Returns:
            float32 tensor `[B]` (or like `x`) and a tuple of tensors like `x`.
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
        return ops.zeros_like(terms[0])

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The objective of a training step as one expression, for reading and Keras's interface.

        (`train_step` takes the same parts one by one, as their gradients do.)

        Args:
            x: int tokens `[B, *data_shape]`, or a dictionary, as in `fit`.
            y: int labels `[B]` or `None`.
            sample_weight: float `[B]` or like the tokens, or `None`.
            y_pred, training: not used.

        Returns:
            float32 scalar tensor, nats per scored position.
        """
        step = self.draw_step(x, y, sample_weight)
        parts = [self.masking_objective(step, zt) for zt in step.maskings]
        objectives, terms = zip(*parts, strict=True)
        return sum(objectives) + self.closing_objective(step, terms)

    def draw_step(self, x, y=None, sample_weight=None) -> Step:
        """Checks a batch and draws what is random about a step."""
        batch, counted, usable = self.usable_batch(x, y, sample_weight)
        excepted = {"counted": counted, "unscored": batch.unscored}
        excepted = {name: rows for name, rows in excepted.items() if rows is not None}
        time, maskings = self.draw_maskings(batch.x, **excepted)
        # Steps whose loss is not a number are left out.
        weight = ops.where(usable, row_weights(batch, counted), float("nan"))
        return Step(batch, weight, time, maskings)

    def masking_objective(self, step: Step, zt):
        """The part of the loss that one masking contributes.

        Args:
            step: from `draw_step`.
            zt: one of its maskings.

        Returns:
            float32 scalar, whose gradient is followed, and the diffusion term `[B]` in nats per
            example, without a gradient. Their definition is `diffusion_term`. Where positions have
            an `emphasis` the term is `[B, 2]`: that of the bound, and the one that is minimised.
        """
        batch, time = step.batch, step.time
        x = batch.x
        factor, own_weight = losses.of_rows(self.masking_weight(time), batch.position_weight)
        weight = step.weight * factor / len(step.maskings)  # [B]
        rows = self.masked_rows(batch, zt, time, training=True)
        if rows is None:
            logits = self.masking_logits(batch, zt, time, training=True)
            emphasis = self.emphasis(lambda: self.masked_costs(logits, x, zt), zt, own_weight)
            cost = self.masked_cost(logits, x, zt, losses.product(own_weight, emphasis))
            objective, minimised = ops.sum(weight * cost), ops.stop_gradient(cost)
            if emphasis is None:
                return objective, factor * minimised
            bound = ops.stop_gradient(self.masked_cost(logits, x, zt, own_weight))
            return objective, ops.stack([factor * bound, factor * minimised], axis=-1)
        weight = ops.broadcast_to(forward_process.expand_like(weight, x), ops.shape(x))
        head = self.cost_power, self.head_bias
        emphasis = self.emphasis(lambda: head_loss.masked_cost(*rows, *head), zt, own_weight)
        trained_weight = losses.product(own_weight, emphasis)
        weight = ops.reshape(losses.product(weight, trained_weight), (-1,))
        objective, cost = head_loss.masked_objective(*rows, weight, *head)
        bound = factor * head_loss.per_example(cost, x, own_weight)
        if emphasis is None:
            return objective, bound
        minimised = factor * head_loss.per_example(cost, x, trained_weight)
        return objective, ops.stack([bound, minimised], axis=-1)

    def emphasis(self, costs, zt, weight=None):
        """What the masked positions count in training, beside their weight in the bound.

        Args:
            costs: function without arguments, to the costs of the positions as `masked_costs`.
            zt: the masking.
            weight: float tensor like `zt`, their weight in the bound, or `None` for 1.

        Returns:
            float32 tensor like `zt`, without a gradient; `None` where the bound is minimised.
        """
        return None

    def closing_objective(self, step: Step, terms):
        """The part of the loss that needs no network, float32 scalar; records the metrics.

        Args:
            step: from `draw_step`.
            terms: the diffusion terms of its maskings.
        """
        terms, minimised = [ops.stop_gradient(term) for term in terms], None
        # Of a batch that cannot be used the metrics take nothing.
        unusable = ops.isnan(step.weight)
        if len(terms[0].shape) == 2:  # [B, 2]
            terms, minimised = ([term[:, i] for term in terms] for i in range(2))
            minimised = ops.where(unusable, float("nan"), sum(minimised) / len(minimised))
        surrogate = self.masking_surrogate(step, terms)
        reported = ops.where(unusable, float("nan"), self.reported_term(terms))
        # The value of the loss is the bound (where positions have an emphasis: what is minimised),
        # its gradient that of the objectives and of the surrogate.
        value = ops.stop_gradient(reported - sum(terms) / len(terms) - surrogate)
        nats = surrogate + value
        nats = nats + self.record(step.batch, reported, training=True, minimised=minimised)
        return ops.sum(step.weight * nats)
