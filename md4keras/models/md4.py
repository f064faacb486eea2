"""MD4: masked diffusion with one scalar masking schedule.

Reference: Shi et al. 2024, *Simplified and Generalized Masked Diffusion for Discrete Data*
(arXiv 2406.04329).
"""

import keras
from keras import ops

from md4keras import forward_process, losses, schedules
from md4keras.models import validation
from md4keras.models.masked_diffusion import MaskedDiffusion


@keras.saving.register_keras_serializable(package="md4keras")
class MD4(MaskedDiffusion):
    """Masked discrete diffusion with one scalar masking schedule.

    Trains with `fit` on int tokens `[B, *data_shape]`, with class labels `[B]` as `y` where the
    network has classes. The loss is the negative ELBO in nats per dimension; logs also hold
    `bits_per_dim`, `perplexity`, the two loss terms, `grad_norm`, and `skipped_steps`, the number
    of steps that were left out because the loss or the gradient was not finite.

    Args:
        network: a `md4keras.networks` model (or another with its attributes).
        schedule: a `Schedule` or its name.
        timesteps: int for the discrete-time objective, `None` for continuous time.
        time_sampling: `"antithetic"` (evenly spaced over the batch) or `"independent"`.
        seed: int, of the times and masks drawn in training; `None` for one from the global seed.

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
        **kwargs,
    ):
        super().__init__(network, seed, **kwargs)
        validation.check_timesteps(timesteps)
        forward_process.check_time_sampling(time_sampling)
        self.schedule = schedules.get(schedule)
        self.timesteps = timesteps
        self.time_sampling = time_sampling

    def diffusion_loss(self, x, zt, time, labels=None):
        """The diffusion term for given masks: deterministic given its inputs.

        Args:
            x: int tokens `[B, *data_shape]`, clean.
            zt: int tokens `[B, *data_shape]`, masked at `time`.
            time: float scalar or `[B]`, the time at which `zt` was masked; for a discrete-time
                model on its grid.
            labels: int `[B]`, for a network with classes.

        Returns:
            float32 tensor `[B]`, nats per example.
        """
        x, labels = validation.check_tokens(self.network, x, labels)
        zt, _ = validation.check_tokens(self.network, zt, labels, allow_mask=True)
        time = ops.convert_to_tensor(time, dtype="float32")
        logits = self.network_logits(zt, time, labels)
        return losses.diffusion_loss(logits, x, zt, time, self.schedule, self.timesteps)

    def reconstruction_loss(self, x):
        """The reconstruction term, `N (1 - alpha(0)) ln V`; float32 `[B]`, nats per example."""
        x = ops.convert_to_tensor(x)
        return losses.reconstruction_loss(x, self.network.vocabulary_size, self.schedule)

    def training_loss(self, x, labels):
        """Independent masks at random times (Eq. 5 and 6), `[B]`."""
        seeds = self.seed_generator
        t = forward_process.sample_times(ops.shape(x)[0], seeds, self.time_sampling)
        return self._diffusion_loss_at(x, labels, t, seeds, training=True)

    def evaluation_loss(self, x, labels):
        """Exact numbers of masks, evenly spread over the batch and over passes, `[B]`.

        The same expectation as `training_loss`, with less variance. (Discrete-time models: times
        evenly spread over the grid.)
        """
        seeds = self.evaluation_seed_generator
        offset = ops.convert_to_tensor(self.evaluation_offset)
        spread = forward_process.spread_times(offset, ops.shape(x)[0])
        if self.timesteps is not None:
            return self._diffusion_loss_at(x, labels, spread, seeds, training=False)
        noise = keras.random.uniform(ops.shape(x), seed=seeds, dtype="float32")
        zt, probability, num_masked = forward_process.mask_by_rank(
            x, spread, noise, self.mask_token
        )
        t = self.schedule.inverse(1.0 - probability)
        logits = self.network_logits(zt, t, labels)
        return losses.ranked_diffusion_loss(logits, x, zt, probability, num_masked, self.schedule)

    def _diffusion_loss_at(self, x, labels, t, seeds, training):
        if self.timesteps is not None:
            t = forward_process.discretize_times(t, self.timesteps)
        noise = keras.random.uniform(ops.shape(x), seed=seeds, dtype="float32")
        alpha_t = forward_process.expand_like(self.schedule.alpha(t), x)
        zt = forward_process.mask_tokens(x, alpha_t, noise, self.mask_token)
        logits = self.network_logits(zt, t, labels, training=training)
        return losses.diffusion_loss(logits, x, zt, t, self.schedule, self.timesteps)

    def get_config(self) -> dict:
        return {
            "name": self.name,
            "network": keras.saving.serialize_keras_object(self.network),
            "schedule": keras.saving.serialize_keras_object(self.schedule),
            "timesteps": self.timesteps,
            "time_sampling": self.time_sampling,
            "seed": self.seed,
        }
