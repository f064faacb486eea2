"""GenMD4: masked diffusion with a learned masking schedule for each token value.

Reference: Shi et al. 2024, *Simplified and Generalized Masked Diffusion for Discrete Data*
(arXiv 2406.04329), Section 5.
"""

import collections

import keras
import numpy as np
from keras import ops

from md4keras import forward_process, losses, schedules
from md4keras.models import validation
from md4keras.models.masked_diffusion import MaskedDiffusion


@keras.saving.register_keras_serializable(package="md4keras")
class GenMD4(MaskedDiffusion):
    """Masked discrete diffusion that learns when each token value is masked.

    Value `v` is clean at time `t` with probability `1 - (1 - eps) t**w_v`; the exponents `w` are
    trained with the network, in continuous time over `[t1, 1]`. A value with a large exponent is
    masked late, so generation reveals it early.

    Trains as `MD4` does, with two network evaluations a step: two independent maskings at one
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

    Example:

    >>> network = md4keras.networks.Transformer(
    ...     vocabulary_size=3, sequence_length=8, num_layers=1, num_heads=2, feature_dim=8)
    >>> model = md4keras.GenMD4(network)
    >>> model.compile(keras.optimizers.AdamW(1e-3))
    >>> history = model.fit(np.zeros((32, 8), "int32"), epochs=1, verbose=0)
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
        forward_process.check_time_sampling(time_sampling)
        if not 0.0 < t1 < 1.0:
            raise ValueError(
                "The objective is an integral over times from `t1` to 1. Expected 0 < t1 < 1. "
                f"Received: t1={t1}. Use the published 1e-3 unless you have a reason."
            )
        self.schedule = schedules.LearnablePolynomial(network.vocabulary_size, power_init, eps)
        self.t1 = float(t1)
        self.time_sampling = time_sampling
        self._power_means = [
            keras.metrics.Mean(name=f"power_{name}") for name in ("min", "mean", "max")
        ]

    @property
    def metrics(self):
        return [*super().metrics, *self._power_means]

    def diffusion_loss(self, x, zt, time, labels=None):
        """The diffusion term for given masks: deterministic given its inputs.

        Its expectation over uniform times in `[t1, 1]`, times `1 - t1`, is the term of the bound.

        Args:
            x: int tokens `[B, *data_shape]`, clean.
            zt: int tokens `[B, *data_shape]`, masked at `time`.
            time: float scalar or `[B]` in `(0, 1]`, the time at which `zt` was masked.
            labels: int `[B]`, for a network with classes.

        Returns:
            float32 tensor `[B]`, nats per example.
        """
        x, labels = validation.check_tokens(self.network, x, labels)
        zt, _ = validation.check_tokens(self.network, zt, labels, allow_mask=True)
        time = ops.convert_to_tensor(time, dtype="float32")
        return self._diffusion_loss(x, zt, time, labels, training=False)

    def reconstruction_loss(self, x):
        """The reconstruction term, of what is masked at `t1`; float32 `[B]`, nats per example."""
        x = ops.convert_to_tensor(x)
        return losses.genmd4_reconstruction_loss(x, self.schedule, self.t1)

    def surrogate_loss(self, x, z1, z2, time, labels=None, training=False):
        """The diffusion term of two maskings, and what is minimised in its place.

        Args:
            x: int tensor `[B, *data_shape]`, clean.
            z1, z2: int tensors `[B, *data_shape]`, independently masked at `time`.
            time: float tensor `[B]` in `(0, 1]`.
            labels: int tensor `[B]`, for a network with classes.
            training: bool, whether the network drops out.

        Returns:
            `0.5 (L1 + L2)` and `0.5 (L1 + L2) + rloo`, float32 tensors `[B]`, nats per example.
        """
        draws = (z1, z2)
        terms = [self._diffusion_loss(x, z, time, labels, training) for z in draws]
        log_q = [losses.genmd4_log_masking(x, z, time, self.schedule) for z in draws]
        mean = 0.5 * (terms[0] + terms[1])
        return mean, mean + losses.leave_one_out(terms, log_q)

    def training_loss(self, x, labels):
        """Two independent maskings at random times in `[t1, 1]`, `[B]`.

        The value is `(1 - t1) 0.5 (L1 + L2)`, the bound's; the gradient is that of the surrogate.
        """
        seeds = self.seed_generator
        t = forward_process.sample_times(ops.shape(x)[0], seeds, self.time_sampling)
        t = self.t1 + (1.0 - self.t1) * t
        log_masked = self.schedule.token_log_masked(x, forward_process.expand_like(t, x))
        alpha_t = -ops.expm1(log_masked)  # [B, *data_shape]
        z1, z2 = (
            forward_process.mask_tokens(
                x,
                alpha_t,
                keras.random.uniform(ops.shape(x), seed=seeds, dtype="float32"),
                self.mask_token,
            )
            for _ in range(2)
        )
        mean, surrogate = self.surrogate_loss(x, z1, z2, t, labels, training=True)
        return ops.stop_gradient((1.0 - self.t1) * mean - surrogate) + surrogate

    def evaluation_loss(self, x, labels):
        """Exact numbers of masks, evenly spread over the batch and over passes, `[B]`.

        The same expectation as the value of `training_loss`, with less variance.
        """
        offset = ops.convert_to_tensor(self.evaluation_offset)
        spread = forward_process.spread_times(offset, ops.shape(x)[0])
        noise = keras.random.uniform(
            ops.shape(x), seed=self.evaluation_seed_generator, dtype="float32"
        )
        zt, t, _ = forward_process.mask_by_rank(
            x, spread, self.schedule.token_times(x, noise), self.mask_token
        )
        logits = self.network_logits(zt, ops.clip(t, self.t1, 1.0), labels)
        return losses.genmd4_ranked_diffusion_loss(logits, x, zt, t, self.schedule, self.t1)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """As `MaskedDiffusion.compute_loss`; in training, also records the exponents."""
        if training:
            power = self.schedule.power
            for metric, value in zip(self._power_means, (ops.min, ops.mean, ops.max), strict=True):
                metric.update_state(value(power))
        return super().compute_loss(x, y, y_pred, sample_weight, training)

    def power_by_token(self) -> dict:
        """The learned exponents: `{token: exponent}`, from the first masked to the last.

        Tokens are text where the model has a tokenizer that tells them apart, else their ids.
        """
        power = ops.convert_to_numpy(self.schedule.power).tolist()
        tokens = list(range(len(power)))
        if self.tokenizer is not None:
            texts = self.tokenizer.decode(np.arange(len(power), dtype="int32")[:, None])
            count = collections.Counter(texts)
            tokens = [text if count[text] == 1 else i for i, text in enumerate(texts)]
        return dict(sorted(zip(tokens, power, strict=True), key=lambda pair: pair[1]))

    def _diffusion_loss(self, x, zt, t, labels, training):
        logits = self.network_logits(zt, t, labels, training=training)
        return losses.genmd4_diffusion_loss(logits, x, zt, t, self.schedule)

    def get_config(self) -> dict:
        return {
            "name": self.name,
            "network": keras.saving.serialize_keras_object(self.network),
            "power_init": self.schedule.power_init,
            "t1": self.t1,
            "eps": self.schedule.eps,
            "time_sampling": self.time_sampling,
            "seed": self.seed,
        }
