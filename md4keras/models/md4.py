"""MD4: masked diffusion with one scalar masking schedule.

Reference: Shi et al. 2024, *Simplified and Generalized Masked Diffusion for Discrete Data*
(arXiv 2406.04329).
"""

import keras
from keras import ops

from md4keras import forward_process, losses, schedules
from md4keras.checks import Interval, check_name, check_number, check_whole
from md4keras.models.long_text import LongText
from md4keras.models.planner_share import planner_share


@keras.saving.register_keras_serializable(package="md4keras")
class MD4(LongText):
    """Masked discrete diffusion with one scalar masking schedule.

    Trains with `fit` on int tokens `[B, *data_shape]`, with class labels `[B]` as `y` where the
    network has classes, or on dictionaries that also say what is padding, given, or a document of
    its own. The loss is the negative ELBO in nats per dimension that is scored; logs also hold
    `bits_per_dim`, `perplexity`, the two loss terms, `grad_norm`, and `skipped_steps`, the number
    of steps that were left out because the loss or the gradient was not finite.

    Args:
        network: a `md4keras.networks` model (or another with its attributes).
        schedule: a `Schedule` or its name.
        timesteps: int for the discrete-time objective, `None` for continuous time.
        time_sampling: `"antithetic"` (evenly spaced over the batch) or `"independent"`.
        planner_weight: float `a`, at least 0. In `fit` each masked position counts `1 + a w_i`
            times, where `w_i` is its share of its row's confidence (PAPL, `models.planner_share`):
            what is revealed first when the surest tokens are is trained most. The `loss` of `fit`
            is then what is minimised, which is not the negative ELBO (it lies above, and its best
            predictions are not the true probabilities); all other figures, `evaluate` and `score`
            stay the bound. 0 minimises the bound. (The head is computed once more a step.)
        seed: int, of the times and masks drawn in training; `None` for one from the global seed.
        kwargs: `published_mask`, see `MaskedDiffusion`; `name`, as of any Keras model.

    Example:

    >>> import keras, md4keras, numpy as np
    >>> network = md4keras.networks.Transformer(
    ...     vocabulary_size=5, sequence_length=8, num_layers=1, num_heads=2, feature_dim=8)
    >>> model = md4keras.MD4(network)
    >>> model.compile(keras.optimizers.AdamW(1e-3))
    >>> history = model.fit(np.zeros((32, 8), "int32"), epochs=1, verbose=0)
    >>> model.generate(num_samples=3, num_steps=4).shape
    (3, 8)
    """

    def __init__(
        self,
        network,
        schedule="linear",
        timesteps: int | None = None,
        time_sampling: str = "antithetic",
        seed: int | None = None,
        planner_weight: float = 0.0,
        **kwargs,
    ):
        super().__init__(network, seed, **kwargs)
        if timesteps is not None:
            check_whole("timesteps", timesteps)
        check_name("time_sampling", time_sampling, forward_process.TIME_SAMPLING)
        self.schedule = schedules.get(schedule)
        if self.schedule.per_token:
            raise ValueError(
                "MD4 has one schedule for all tokens. Expected a scalar schedule. "
                f"Received: schedule={schedule!r}. For a learned schedule take `GenMD4(network)`."
            )
        mend = "0 minimises the bound; 1 is a mild change."
        check_number("planner_weight", planner_weight, Interval(), mend)
        self.timesteps = timesteps
        self.time_sampling = time_sampling
        self.planner_weight = float(planner_weight)

    def reconstruction_term(self, batch):
        """`N (1 - alpha(0)) ln V`."""
        counted = batch.unscored, batch.position_weight
        values = self.network.vocabulary_size
        return losses.reconstruction_loss(batch.x, values, self.schedule, *counted)

    def masking_weight(self, t):
        """The weight of the masked cross-entropy at time `t`."""
        return losses.diffusion_weight(t, self.schedule, self.timesteps)

    def masked_costs(self, logits, x, zt):
        """The cross-entropy."""
        return losses.position_cross_entropy(logits, x, zt, self.mask_token)

    lean_costs = masked_costs

    def emphasis(self, costs, zt, weight=None):
        """`1 + planner_weight w_i`; see `planner_share`."""
        if not self.planner_weight:
            return None
        share = planner_share(costs(), ops.equal(zt, self.mask_token), weight)
        return 1.0 + self.planner_weight * share

    def draw_maskings(self, x, counted=None, unscored=None):
        """One masking, each position on its own, at random times (Eq. 5 and 6)."""
        seeds = self.seed_generator
        t = forward_process.sample_times(ops.shape(x)[0], seeds, self.time_sampling, counted)
        noise = forward_process.noise_of_rows(ops.shape(x), seeds, counted)
        t, zt = self._mask_at(x, t, noise, unscored)
        return t, (zt,)

    def stratified_masking(self, batch, fraction, noise):
        """Exact numbers of masks: the same expectation as in training, with less variance.

        (Discrete-time models: independent masks, at times given by `fraction`. The network gets
        the time of the step there; in continuous time see `time_of_masks`.)
        """
        x, unscored = batch.x, batch.unscored
        if self.timesteps is not None:
            t, zt = self._mask_at(x, fraction, noise, unscored)
            return zt, t, self.masking_weight(t)
        zt, probability, num_masked = forward_process.mask_by_rank(
            x, fraction, noise, self.mask_token, unscored
        )
        weight = losses.ranked_weight(x, probability, num_masked, self.schedule, unscored)
        return zt, self.time_of_masks(batch, probability), weight

    def time_of_masks(self, batch, probability):
        """The time of a state in which scored positions are masked with a probability, `[B]`.

        That of the part of all tokens that is masked, as `infill` has it, which differs where some
        are given. (With any other time the bound would be one, too.)
        """
        if batch.given is not None:
            num_tokens = forward_process.positions(batch.x, batch.padding)
            if batch.padding is not None:
                num_tokens = ops.maximum(num_tokens, 1.0)
            probability = probability * batch.num_scored() / num_tokens
        return self.schedule.time_of_masked_fraction(probability)

    def _mask_at(self, x, t, noise, unscored=None):
        """Times on the model's grid, and independent masks at them."""
        if self.timesteps is not None:
            t = forward_process.discretize_times(t, self.timesteps)
        alpha_t = forward_process.expand_like(self.schedule.alpha(t), x)
        zt = forward_process.mask_tokens(x, alpha_t, noise, self.mask_token)
        return t, zt if unscored is None else ops.where(unscored, x, zt)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "schedule": keras.saving.serialize_keras_object(self.schedule),
            "timesteps": self.timesteps,
            "time_sampling": self.time_sampling,
            "planner_weight": self.planner_weight,
        }
