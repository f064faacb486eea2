"""GenMD4: masked diffusion with a learned masking schedule for each token value.

Reference: Shi et al. 2024, *Simplified and Generalized Masked Diffusion for Discrete Data*
(arXiv 2406.04329), Section 5.
"""

import collections

import keras
import numpy as np
from keras import ops

from md4keras import backend, forward_process, losses, schedules
from md4keras.checks import Interval, check_name, check_number
from md4keras.models.long_text import LongText


@keras.saving.register_keras_serializable(package="md4keras")
class GenMD4(LongText):
    """Masked discrete diffusion that learns when each token value is masked.

    Value `v` is clean at time `t` with probability `1 - (1 - eps) t**w_v`; the exponents `w` are
    trained with the network, in continuous time over `[t1, 1]`. A value with a large exponent is
    masked late, so generation reveals it early.

    Trains as `MD4` does, with two network calls a step: two independent maskings at one
    time, whose leave-one-out surrogate carries the gradient through the masking. What is minimised
    is the published `mean(0.5 (L1 + L2) + rloo) + mean(L_recon)`; what is reported is the bound,
    `(1 - t1) mean(0.5 (L1 + L2)) + mean(L_recon)`. The integral over `[t1, 1]` has length
    `1 - t1`; the published code leaves this factor out and reports a bound 0.1 % too high.
    Logs of `fit` also hold `power_min`, `power_mean` and `power_max`, the exponents averaged over
    the steps of the epoch.

    Args:
        network: a `md4keras.networks` model (or another with its attributes).
        power_init: positive float, every exponent at the start; 1 is the linear schedule.
        t1: float in `(0, 1)`, the earliest time; what is masked before is left to the
            reconstruction term.
        eps: float in `[0, 0.5)`, the probability of being clean that is left at time 1.
        time_sampling: `"antithetic"` (evenly spaced over the batch) or `"independent"`.
        seed: int, of the times and masks drawn in training; `None` for one from the global seed.
        kwargs: `published_mask`, see `MaskedDiffusion`; `name`, as of any Keras model.

    Example:

    >>> network = md4keras.networks.Transformer(
    ...     vocabulary_size=3, sequence_length=8, num_layers=1, num_heads=2, feature_dim=8)
    >>> model = md4keras.GenMD4(network)  # trained as `MD4` is
    >>> model.generate(num_samples=3, num_steps=4).shape
    (3, 8)
    >>> sorted(model.power_by_token())
    [0, 1, 2]
    """

    def __init__(
        self,
        network,
        power_init: float = 1.0,
        t1: float = 1e-3,
        eps: float = 1e-4,
        time_sampling: str = "antithetic",
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(network, seed, **kwargs)
        check_name("time_sampling", time_sampling, forward_process.TIME_SAMPLING)
        between = Interval(0, 1, with_low=False, with_high=False)
        check_number("t1", t1, between, "The objective is an integral from `t1` to 1; use 1e-3.")
        self.schedule = schedules.LearnablePolynomial(network.vocabulary_size, power_init, eps)
        self.t1 = float(t1)
        self.time_sampling = time_sampling
        self._power_means = [
            keras.metrics.Mean(name=f"power_{name}") for name in ("min", "mean", "max")
        ]

    @property
    def metrics(self):
        return [*super().metrics, *self._power_means]

    def reconstruction_term(self, batch):
        """Of what is masked at `t1`."""
        counted = batch.unscored, batch.position_weight
        return losses.genmd4_reconstruction_loss(batch.x, self.schedule, self.t1, *counted)

    def masking_weight(self, t):
        """`1/t`."""
        return 1.0 / t

    def masked_costs(self, logits, x, zt):
        """The terms of `losses.genmd4_cost`."""
        return losses.genmd4_position_cost(logits, x, zt, self.schedule)

    lean_costs = masked_costs

    @property
    def cost_power(self):
        """The exponents, `[V]`."""
        return self.schedule.power

    def draw_maskings(self, x, counted=None, unscored=None):
        """Two independent maskings at random times in `[t1, 1]`."""
        seeds = self.seed_generator
        t = forward_process.sample_times(ops.shape(x)[0], seeds, self.time_sampling, counted)
        t = self.t1 + (1.0 - self.t1) * t
        log_masked = self.schedule.token_log_masked(x, forward_process.expand_like(t, x))
        alpha_t = -ops.expm1(log_masked)  # [B, *data_shape]
        maskings = tuple(
            forward_process.mask_tokens(
                x,
                alpha_t,
                forward_process.noise_of_rows(ops.shape(x), seeds, counted),
                self.mask_token,
            )
            for _ in range(2)
        )
        if unscored is not None:
            maskings = tuple(ops.where(unscored, x, zt) for zt in maskings)
        return t, maskings

    def reported_term(self, terms):
        """`(1 - t1) 0.5 (L1 + L2)`."""
        return (1.0 - self.t1) * 0.5 * (terms[0] + terms[1])

    def masking_surrogate(self, step, terms):
        """The leave-one-out term of two maskings."""
        x, unscored = step.batch.x, step.batch.unscored
        log_q = [
            losses.genmd4_log_masking(x, zt, step.time, self.schedule, unscored)
            for zt in step.maskings
        ]
        return losses.leave_one_out(terms, log_q)

    def stratified_masking(self, batch, fraction, noise):
        """Exact numbers of masks: the same expectation as in training, with less variance."""
        x, unscored = batch.x, batch.unscored
        zt, t, _ = forward_process.mask_by_rank(
            x, fraction, self.schedule.token_times(x, noise), self.mask_token, unscored
        )
        weight = losses.genmd4_ranked_weight(x, zt, t, self.schedule, self.t1, unscored)
        return zt, ops.clip(t, self.t1, 1.0), weight

    def closing_objective(self, step, terms):
        """As `Objective.closing_objective`; also records the exponents."""
        power = self.schedule.power
        for metric, value in zip(self._power_means, (ops.min, ops.mean, ops.max), strict=True):
            metric.update_state(value(power))
        return super().closing_objective(step, terms)

    def power_by_token(self) -> dict:
        """The learned exponents: `{token: exponent}`, from the first masked to the last.

        Tokens are text where the model has a tokenizer that tells them apart, else their ids.

        Example:

        >>> md4keras.GenMD4(network, power_init=2.0).power_by_token()
        {0: 2.0, 1: 2.0, 2: 2.0, 3: 2.0, 4: 2.0}
        """
        power = backend.to_numpy(self.schedule.power).tolist()
        tokens = list(range(len(power)))
        if self.tokenizer is not None:
            names = (("end_token_id", "end_token"), ("padding_id", "pad_token"))
            special = {
                getattr(self.tokenizer, number, None): getattr(self.tokenizer, name, None)
                for number, name in names
            }
            texts = [
                special.get(i) or self.tokenizer.decode(np.array([i], "int32")) for i in tokens
            ]
            count = collections.Counter(texts)
            tokens = [text if count[text] == 1 else i for i, text in enumerate(texts)]
        return dict(sorted(zip(tokens, power, strict=True), key=lambda pair: pair[1]))

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "power_init": self.schedule.power_init,
            "t1": self.t1,
            "eps": self.schedule.eps,
            "time_sampling": self.time_sampling,
        }
