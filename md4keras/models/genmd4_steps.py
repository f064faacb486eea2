"""The process of a GenMD4 in so many steps: its bound, to be measured and not trained on."""

from keras import ops

from md4keras import forward_process, losses
from md4keras.checks import check_whole
from md4keras.models.genmd4 import GenMD4


class GenMD4Steps(GenMD4):
    """The bound of what a `GenMD4` draws in `T` equal steps of time from 1 to `t1`.

    In a step from `t` to `s` the exact posterior reveals a masked token `x` with probability
    `r_x = (alpha_x(s) - alpha_x(t)) / (1 - alpha_x(t))`; the model reveals the value `v` with
    probability `r_v mu_v`. Their divergence, summed over masked positions and steps, and the
    reconstruction term bound `-log p(x)`; with more steps it approaches the continuous bound.

    Args:
        model: the `GenMD4` whose network and schedule are measured.
        timesteps: int, `T`.
    """

    def __init__(self, model: GenMD4, timesteps: int):
        super().__init__(model.network, t1=model.t1)
        self.schedule = model.schedule
        self.timesteps = int(check_whole("timesteps", timesteps))

    def stratified_loss(self, batch, fraction, noise):
        """As `stratified_costs`, summed over the positions."""
        weight = batch.position_weight
        return losses.sum_positions(self.stratified_costs(batch, fraction, noise), weight)

    def stratified_costs(self, batch, fraction, noise):
        """The divergence of a step times their number, float32 `[B, *data_shape]`, nats.

        Args:
            batch, noise: as of `stratified_masking`.
            fraction: float tensor `[B]` in `[0, 1)`, which selects the step.
        """
        x = batch.x
        end = forward_process.discretize_times(fraction, self.timesteps)
        start = end - 1.0 / self.timesteps
        s, t = (self.t1 + (1.0 - self.t1) * ops.maximum(time, 0.0) for time in (start, end))
        log_masked = self.schedule.token_log_masked(x, forward_process.expand_like(t, x))
        zt = forward_process.mask_tokens(x, -ops.expm1(log_masked), noise, self.mask_token)
        if batch.unscored is not None:
            zt = ops.where(batch.unscored, x, zt)
        logits = self.network_logits(zt, t, batch.labels, **batch.layout)
        costs = losses.genmd4_step_divergence(logits, x, s, t, self.schedule)
        return self.timesteps * ops.where(ops.equal(zt, self.mask_token), costs, 0.0)
