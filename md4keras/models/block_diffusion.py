"""Block diffusion: masked diffusion within a block, given the clean blocks before it.

Reference: Arriola et al. 2025, *Block Diffusion: Interpolating Between Autoregressive and Diffusion
Language Models* (arXiv 2503.09573).
"""

import keras
import numpy as np
from keras import ops

from md4keras import forward_process, losses, schedules
from md4keras.checks import check_name, check_whole
from md4keras.models import validation
from md4keras.models.block_generation import BlockGeneration

_GOLDEN = 0.6180339887498949  # the strata of a row's blocks lie apart


@keras.saving.register_keras_serializable(package="md4keras")
class BlockDiffusion(BlockGeneration):
    """Masked diffusion block by block, with one scalar masking schedule.

    A text is the product of its blocks, each given those before it: blocks of 1 are an
    autoregressive model, one block is an `MD4`. The bound is the sum of the blocks' bounds, each of
    which has a time of its own; the network, in one call, sees the noised blocks and the clean
    ones, `[noised ; clean]`. Blocks are counted along the row; the last one may be shorter, and
    padding stands behind the text.

    Trains with `fit`, is scored, and draws, as an `MD4`; drawing, `num_steps` are those of each
    block, and the keys and values of finished blocks are kept (`layers.Cache`), so that texts of
    any length cost no more for each block than attention to what stands before.

    Args:
        network: a network without time whose `takes_blocks` is true, such as `networks.DiT`.
        block_size: int, the number of tokens in a block.
        schedule: a scalar `Schedule` or its name.
        time_sampling: `"antithetic"` (evenly spaced over the blocks of the batch) or
            `"independent"`.
        seed: int, of the times and masks drawn in training; `None` for one from the global seed.
        kwargs: `published_mask`, see `MaskedDiffusion`; `name`, as of any Keras model.

    Raises:
        ValueError: for a bad argument, or a network that does not take blocks or is given the time.

    Example:

    >>> import keras, md4keras, numpy as np
    >>> network = md4keras.networks.DiT(
    ...     vocabulary_size=5, sequence_length=8, num_layers=1, num_heads=2, hidden_dim=16)
    >>> model = md4keras.BlockDiffusion(network, block_size=4)  # trained as `MD4` is
    >>> x, noised = np.zeros((3, 8), "int32"), np.full((3, 8), model.mask_token)
    >>> tuple(model.training_logits(x, noised).shape)
    (3, 8, 5)
    >>> model.generate(2, length=10, num_steps=2).shape
    (2, 10)

    Reference: Arriola et al. 2025 (arXiv 2503.09573), Eq. 4 and 8, Section 3.2.
    """

    def __init__(
        self,
        network,
        block_size: int,
        schedule="linear",
        time_sampling: str = "antithetic",
        seed: int | None = None,
        **kwargs,
    ):
        super().__init__(network, seed, **kwargs)
        _check_network(network)
        self.block_size = check_whole("block_size", block_size)
        check_name("time_sampling", time_sampling, forward_process.TIME_SAMPLING)
        self.schedule = schedules.get(schedule)
        if self.schedule.per_token:
            raise ValueError(
                "Block diffusion has one schedule for all tokens. Expected a scalar schedule. "
                f"Received: schedule={schedule!r}. Take 'linear', for instance."
            )
        self.time_sampling = time_sampling

    def training_logits(self, x, zt, labels=None):
        """Logits of noised blocks, each given the clean blocks before it.

        Args:
            x: int tokens `[B, L]`, clean; or a dictionary, as for `fit`.
            zt: int tokens `[B, L]`, `x` with some of them masked.
            labels: int `[B]`, for a network with classes.

        Returns:
            float32 tensor `[B, L, V]`.

        Raises:
            ValueError: for tokens or labels that do not fit the network or each other.

        Example:

        >>> network = md4keras.networks.DiT(5, 8, num_layers=0, num_heads=2, hidden_dim=16)
        >>> model = md4keras.BlockDiffusion(network, block_size=4)
        >>> x, zt = np.zeros((1, 8), "int32"), np.full((1, 8), model.mask_token)
        >>> tuple(model.training_logits(x, zt).shape)
        (1, 8, 5)
        """
        batch, zt = self.given_masking(x, zt, labels)
        return self.masking_logits(batch, zt, None)

    def token_losses(self, x, zt, time, labels=None):
        """What each position adds to `diffusion_loss`, of which it takes the arguments.

        Returns:
            float32 tensor `[B, L]`, nats; 0 where nothing is masked.

        Example:

        >>> network = md4keras.networks.DiT(5, 8, num_layers=0, num_heads=2, hidden_dim=16)
        >>> model = md4keras.BlockDiffusion(network, block_size=4)
        >>> x, zt = np.zeros((1, 8), "int32"), np.full((1, 8), model.mask_token)
        >>> nats = model.token_losses(x, zt, time=1.0)  # ln 5 each
        >>> print(keras.ops.convert_to_numpy(nats)[0, :2].round(2))
        [1.61 1.61]
        """
        batch, zt = self.given_masking(x, zt, labels)
        weight = self.masking_weight(self.check_time(time, batch.x))
        costs = self.masked_costs(self.masking_logits(batch, zt, None), batch.x, zt)
        return forward_process.expand_like(weight, costs) * costs

    def check_time(self, time, x):
        """The times of the blocks: a number, `[B]`, `[B, number of blocks]` or like `x`.

        Returns:
            float32 tensor, a scalar, `[B]` or like `x`.
        """
        shape = tuple(getattr(time, "shape", np.shape(time)))
        if len(shape) < 2:
            return validation.check_time(time, x.shape[0])
        count = -(-x.shape[1] // self.block_size)
        if shape not in ((x.shape[0], count), tuple(x.shape)):
            raise ValueError(
                f"Each block has one time. Expected a number, shape ({x.shape[0]},) or "
                f"({x.shape[0]}, {count}). Received: time of shape={shape}. Give one number for "
                "each block of each text."
            )
        flat = ops.reshape(time, (-1,)) if ops.is_tensor(time) else np.ravel(time)
        time = ops.reshape(validation.check_time(flat, shape[0] * shape[1]), shape)
        return time if shape == tuple(x.shape) else self._of_positions(time, x)

    def masking_inputs(self, batch, zt, t) -> dict:
        """As above, with the clean tokens beside the noised ones."""
        return {**super().masking_inputs(batch, zt, t), "clean": batch.x}

    def _network_inputs(self, zt, time, batch) -> dict:
        if batch.segment_ids is not None:
            raise ValueError(
                "Documents that share a row have no blocks of their own. Expected a text a row, "
                "with a 'padding_mask' where it is shorter. Received: 'segment_ids'. Leave them "
                "out, or give each document a row."
            )
        inputs = super()._network_inputs(zt, time, batch)
        blocks = ops.expand_dims(self._block_numbers(zt), 0)  # [1, L]
        if (padding_mask := inputs.pop("padding_mask", None)) is not None:
            blocks = ops.where(padding_mask, blocks, -1)
        return {**inputs, "blocks": blocks}

    def _block_numbers(self, x):
        """The number of each position's block, int32 `[L]`."""
        return ops.floor_divide(ops.arange(ops.shape(x)[1], dtype="int32"), self.block_size)

    def _of_positions(self, values, x):
        """Values of blocks, `[B, number of blocks]`, at each position: `[B, L]`."""
        return ops.take(values, self._block_numbers(x), axis=1)

    def reconstruction_term(self, batch):
        """`N (1 - alpha(0)) ln V`."""
        counted = batch.unscored, batch.position_weight
        values = self.network.vocabulary_size
        return losses.reconstruction_loss(batch.x, values, self.schedule, *counted)

    def masking_weight(self, t):
        """The weight of the masked cross-entropy at time `t`."""
        return self.schedule.weight(t)

    def masked_costs(self, logits, x, zt):
        """The cross-entropy."""
        return losses.position_cross_entropy(logits, x, zt, self.mask_token)

    lean_costs = masked_costs

    def draw_maskings(self, x, counted=None, unscored=None):
        """One masking, each position on its own, at random times of the blocks."""
        seeds, (batch_size, length) = self.seed_generator, ops.shape(x)
        count = -(-length // self.block_size)
        rows = None if counted is None else ops.repeat(counted, count)
        t = forward_process.sample_times(batch_size * count, seeds, self.time_sampling, rows)
        t = self._of_positions(ops.reshape(t, (-1, count)), x)  # [B, L]
        noise = forward_process.noise_of_rows(ops.shape(x), seeds, counted)
        zt = forward_process.mask_tokens(x, self.schedule.alpha(t), noise, self.mask_token)
        return t, (zt if unscored is None else ops.where(unscored, x, zt),)

    def stratified_masking(self, batch, fraction, noise):
        """Exact numbers of masks in each block: the expectation of training, less variance."""
        batch_size, length = ops.shape(batch.x)
        smaller = min if isinstance(length, int) else ops.minimum
        size = smaller(self.block_size, length)
        count = -(-length // size)
        places = ops.arange(count * size, dtype="int32")
        lacking = ops.reshape(places >= length, (count, size))  # in the last block

        def as_rows(values):
            values = ops.take(values, ops.minimum(places, length - 1), axis=1)
            return ops.reshape(values, (-1, size))  # [B count, size]

        unscored = ops.zeros_like(batch.x) > 0 if batch.unscored is None else batch.unscored
        unscored = ops.reshape(as_rows(unscored), (-1, count, size))
        unscored = ops.reshape(ops.logical_or(unscored, lacking), (-1, size))
        shifts = ops.cast(ops.arange(count), "float32") * _GOLDEN
        fractions = ops.expand_dims(fraction, 1) + shifts  # [B, count], each uniform
        fractions = ops.reshape(fractions - ops.floor(fractions), (-1,))
        x = as_rows(batch.x)
        zt, probability, num_masked = forward_process.mask_by_rank(
            x, fractions, as_rows(noise), self.mask_token, unscored
        )
        weight = losses.ranked_weight(x, probability, num_masked, self.schedule, unscored)
        weight = self._of_positions(ops.reshape(weight, (-1, count)), batch.x)
        zt = ops.reshape(zt, (batch_size, -1))[:, :length]
        return zt, None, weight

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "block_size": self.block_size,
            "schedule": keras.saving.serialize_keras_object(self.schedule),
            "time_sampling": self.time_sampling,
        }


def _check_network(network) -> None:
    if not getattr(network, "takes_blocks", False):
        raise ValueError(
            "The network does not take text in blocks. Expected one whose `takes_blocks` is true, "
            f"such as `md4keras.networks.DiT`. Received: a {type(network).__name__}. Take another."
        )
    if network.time_conditioned:
        raise ValueError(
            "Each block has a time of its own, and the network is given one for the row. Expected "
            "a network without time, as published. Received: time_features='t'. Make it with "
            "time_features='none'."
        )
