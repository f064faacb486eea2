"""A network as a Keras model that predicts masked tokens: its calls, and the terms of the bound.

The models are built floor upon floor, each of which uses the floors above it alone:
`WholeSteps` and `MaskedDiffusion` (this file), `Adaptation` (`enable_lora`), `CheckedBatches`,
`SetLikelihood` (`evaluate`), `Likelihood` (`score`), `Objective` and `Trainer` (`fit`),
`Generation` (`generate`, `infill`), and on it `MD4` and `GenMD4`.
"""

from typing import Any

import keras
from keras import ops

from md4keras import distribution, losses
from md4keras.checks import check_whole
from md4keras.models import batches, published_ids, validation
from md4keras.models.batches import Batch
from md4keras.models.function_cache import FunctionCache
from md4keras.models.whole_steps import WholeSteps
from md4keras.saving import ModelPreset

_KEPT_FUNCTIONS = 32  # compiled samplers, each for one shape, and the scoring


class MaskedDiffusion(ModelPreset, WholeSteps):
    """A denoising network with a masking schedule.

    A subclass sets `schedule`, and says what a masking costs (`masked_costs`) and counts
    (`masking_weight`), and what the earliest time leaves to guess (`reconstruction_term`).

    Args:
        network: a `md4keras.networks` model, or another with its attributes.
        seed: int, of the times and masks drawn in training; `None` for one from the global seed.
        published_mask: int in `[0, V]`, of a converted model: the mask's id in the published
            numbering; `None` where its ids are ours (see `ids_from_published`).
    """

    schedule: Any
    """The masking schedule; a subclass sets it."""

    lean_costs = None
    """The method `masked_costs` whose values `head_loss` computes, of classes that have one."""

    dense_loss = False
    """Whether `fit` and `evaluate` form the logits of all positions and take the loss from its
    definition, also where head and loss can go over the masked positions alone (`head_loss`). To
    be set before `compile`; of use for comparison."""

    def __init__(
        self, network, seed: int | None = None, published_mask: int | None = None, **kwargs
    ):
        # Inputs hold the time, which must stay float32 under any policy.
        super().__init__(autocast=False, **kwargs)
        validation.check_network(network)
        distribution.check_network(network)
        if published_mask is not None:
            most = network.vocabulary_size
            check_whole("published_mask", published_mask, 0, most, "It is an id of that numbering.")
        self.network = network
        self.seed = seed
        self.published_mask = published_mask
        self.tokenizer = None
        self.recipe = None
        self.seed_generator = keras.random.SeedGenerator(seed)
        self._functions = FunctionCache(_KEPT_FUNCTIONS)
        self.built = True

    @property
    def mask_token(self) -> int:
        """The id of the mask, one past the last ordinary token."""
        return self.network.vocabulary_size

    def call(self, inputs, training=None):
        """The network's logits for `{"tokens", "time", "label"}`; see `predict_logits`."""
        return self.network(inputs, training=training)

    def predict_logits(self, zt, time, labels=None):
        """The denoising distribution, as logits.

        Args:
            zt: int tokens `[B, *data_shape]`, the mask token (`V`) where masked; or a dictionary
                with these as `"tokens"`, as for `fit`. (What is `"given"` or weighs how much does
                not change a logit.)
            time: float scalar or `[B]` in `[0, 1]`; `None` will do for a network without time.
            labels: int `[B]`, for a network with classes.

        Returns:
            float32 tensor `[B, *data_shape, V]`; the mask is not among the outcomes. In the
            padding the logits mean nothing.

        Raises:
            ValueError: for tokens, times or labels that do not fit the network or each other.

        Example:

        >>> zt = np.array([[0, 1, 2, 5, 5, 5, 0, 0]])  # 5 is the mask
        >>> tuple(model.predict_logits(zt, time=0.4).shape)
        (1, 8, 5)
        """
        batch = batches.arranged(self.network, zt, labels)
        batch = batches.as_tensors(self.network, batch, "zt", allow_mask=True)
        if time is None and not self.network.time_conditioned:
            time = 0.0
        time = validation.check_time(time, batch.x.shape[0])
        return self.network_logits(batch.x, time, batch.labels, **batch.layout)

    def network_logits(
        self,
        zt,
        time,
        labels=None,
        training=False,
        positions=None,
        padding_mask=None,
        segment_ids=None,
    ):
        """Logits for tensors that were checked before.

        Args:
            zt, time, labels: as in `predict_logits`.
            training: bool.
            positions: int32 tensor `[B, M]`, of the flattened `data_shape`, where logits are
                wanted; `None` for everywhere. Where the network's head works position by
                position, it is computed for these alone.
            padding_mask: bool tensor `[B, L]`, `False` where a text is padded, or `None`.
            segment_ids: int32 tensor `[B, L]`, the number of each token's document, or `None`.

        Returns:
            float32 tensor `[B, *data_shape, V]`, or `[B, M, V]`.
        """
        inputs = self._network_inputs(zt, time, Batch(zt, labels, padding_mask, segment_ids))
        if positions is None:
            return ops.cast(self.network(inputs, training=training), "float32")
        head = getattr(self.network, "head", None)
        pointwise = getattr(head, "pointwise", False)
        outputs = (self.network.features if pointwise else self.network)(inputs, training=training)
        outputs = ops.reshape(outputs, (positions.shape[0], -1, outputs.shape[-1]))
        outputs = ops.take_along_axis(outputs, ops.expand_dims(positions, -1), axis=1)
        return ops.cast(head(outputs) if pointwise else outputs, "float32")

    def masked_rows(self, batch: Batch, zt, t, training: bool):
        """What `head_loss` takes, or `None` where the logits have to be formed.

        Returns:
            features `[B N, width]`, the head's kernel `[width, V]` (`head_bias` is its bias), the
            clean tokens `[B N]`, and which of them are masked, bool `[B N]`.
        """
        if self.dense_loss or not self._has_lean_costs():
            return None
        kernel = getattr(getattr(self.network, "head", None), "linear_kernel", None)
        if kernel is None:
            return None
        features = self.network.features(self.masking_inputs(batch, zt, t), training=training)
        features = ops.reshape(features, (-1, features.shape[-1]))
        masked = ops.reshape(ops.equal(zt, self.mask_token), (-1,))
        return features, kernel, ops.reshape(batch.x, (-1,)), masked

    def _has_lean_costs(self) -> bool:
        """Whether a masking costs what `head_loss` computes; not where a subclass has its own."""
        kind, base = type(self), MaskedDiffusion
        own = kind.masked_cost is not base.masked_cost or kind.masked_costs is not kind.lean_costs
        return not own

    def masking_logits(self, batch: Batch, zt, t, training: bool = False):
        """Logits of all positions, float32 `[B, *data_shape, V]`, for a masking of a batch."""
        logits = self.network(self.masking_inputs(batch, zt, t), training=training)
        return ops.cast(logits, "float32")

    def masking_inputs(self, batch: Batch, zt, t) -> dict:
        """What the network is given where `zt`, a masking at `t`, is to be told from `batch.x`."""
        return self._network_inputs(zt, t, batch)

    def _network_inputs(self, zt, time, batch: Batch) -> dict:
        inputs = {"tokens": zt}
        if self.network.time_conditioned:
            inputs["time"] = ops.broadcast_to(ops.cast(time, "float32"), (ops.shape(zt)[0],))
        if self.network.num_classes:
            inputs["label"] = batch.labels
        return inputs | {name: x for name, x in batch.layout.items() if x is not None}

    def masking_weight(self, t):
        """What the cost of a masking at time `t` counts in the diffusion term, like `t`.

        (Where positions have times of their own, `t` is like the tokens.)
        """
        raise NotImplementedError

    def masked_cost(self, logits, x, zt, weight=None):
        """The cost of the masked positions, `[B]` in nats, from logits `[B, *data_shape, V]`.

        With `weight` (float32, like `x`) that of each position counts so much.
        """
        return losses.sum_positions(self.masked_costs(logits, x, zt), weight)

    def masked_costs(self, logits, x, zt):
        """The cost of each position, `[B, *data_shape]` in nats, 0 where it is not masked."""
        raise NotImplementedError

    @property
    def head_bias(self):
        """What the head adds to its product, `[V]`, or `None`; see `masked_rows`."""
        return getattr(getattr(self.network, "head", None), "linear_bias", None)

    @property
    def cost_power(self):
        """The exponents in the cost (see `head_loss`), `[V]`, or `None`."""
        return None

    def reconstruction_term(self, batch: Batch):
        """The reconstruction term of what is scored, `[B]`, nats, times the positions' weights."""
        raise NotImplementedError

    def diffusion_term(self, batch: Batch, zt, t):
        """The readable definition of the diffusion term: weight times cost, `[B]` in nats.

        The steps of `fit` and `evaluate` have the same value, without all the logits at once.
        """
        factor, weight = losses.of_rows(self.masking_weight(t), batch.position_weight)
        return factor * self.masked_cost(self.masking_logits(batch, zt, t), batch.x, zt, weight)

    def diffusion_loss(self, x, zt, time, labels=None):
        """The diffusion term for given masks: deterministic given its inputs.

        Its expectation over times and masks is the term of the bound (`GenMD4`: over uniform
        times in `[t1, 1]`, and times `1 - t1`).

        Args:
            x: int tokens `[B, *data_shape]`, clean; or a dictionary, as for `fit`.
            zt: int tokens `[B, *data_shape]`, masked at `time`. (What is given or padded counts
                as not masked.)
            time: float scalar or `[B]`, the time at which `zt` was masked; for a discrete-time
                model on its grid.
            labels: int `[B]`, for a network with classes.

        Returns:
            float32 tensor `[B]`, nats per example.

        Raises:
            ValueError: for tokens, times or labels that do not fit the network or each other.

        Example:

        >>> x, zt = np.array([[0, 1, 2, 3, 4, 0, 1, 2]]), np.array([[0, 1, 2, 3, 5, 5, 5, 5]])
        >>> nats = model.diffusion_loss(x, zt, time=0.5)  # 4 masks, each 1/t times ln 5
        >>> print(keras.ops.convert_to_numpy(nats).round(1))
        [12.9]
        """
        batch, zt = self.given_masking(x, zt, labels)
        return self.diffusion_term(batch, zt, self.check_time(time, batch.x))

    def given_masking(self, x, zt, labels=None):
        """Checks what `diffusion_loss` is given; returns a `Batch` of tensors, and `zt`."""
        batch = batches.as_tensors(self.network, batches.arranged(self.network, x, labels), "x")
        x, unscored = batch.x, batch.unscored
        zt = validation.check_tokens_alone(self.network, zt, "zt", allow_mask=True)
        if tuple(x.shape) != tuple(zt.shape):
            raise ValueError(
                "`zt` is `x` with some tokens masked. Expected equal shapes. "
                f"Received: x of shape={tuple(x.shape)}, zt of shape={tuple(zt.shape)}"
            )
        if unscored is not None:
            zt = ops.where(unscored, x, zt)
        return batch, zt

    def check_time(self, time, x):
        """The time at which tokens `x` were masked, as `masking_weight` takes it."""
        return validation.check_time(time, x.shape[0])

    def reconstruction_loss(self, x):
        """The reconstruction term: what is masked at the earliest time has to be guessed.

        Args:
            x: int tokens `[B, *data_shape]`, or a dictionary, as for `fit`.

        Returns:
            float32 tensor `[B]`, nats per example.

        Example:

        >>> nats = model.reconstruction_loss(np.zeros((1, 8), "int32"))  # 8 * 1e-4 * ln 5
        >>> print(keras.ops.convert_to_numpy(nats).round(4))
        [0.0013]
        """
        batch = batches.arranged(self.network, x)
        x = validation.check_tokens_alone(self.network, batch.x, "x")
        return self.reconstruction_term(batch._replace(x=x))

    def ids_from_published(self, ids):
        """Token ids of the published checkpoint that the model was made from, as ours.

        Here the mask is `V`, one past the last token. Where it lies between the tokens
        (`published_mask`), those above it have moved down by one.

        Args:
            ids: int array of any shape, in `[0, V]`.

        Returns:
            int32 array of the same shape.

        Raises:
            ValueError: for what is no id of the published numbering.

        Example:

        >>> model.ids_from_published([0, 4, 5]).tolist()  # equal, but for some converted models
        [0, 4, 5]
        """
        return published_ids.from_published(ids, self.network.vocabulary_size, self.published_mask)

    def ids_to_published(self, ids):
        """Our token ids as those of the published checkpoint; `ids_from_published` undone.

        Example:

        >>> model.ids_to_published([0, 4, 5]).tolist()
        [0, 4, 5]
        """
        return published_ids.to_published(ids, self.network.vocabulary_size, self.published_mask)

    def get_config(self) -> dict:
        return {
            "name": self.name,
            "network": keras.saving.serialize_keras_object(self.network),
            "seed": self.seed,
            "published_mask": self.published_mask,
        }

    def summary(
        self,
        line_length=None,
        positions=None,
        print_fn=None,
        expand_nested=True,
        show_trainable=False,
        layer_range=None,
    ):
        """As `keras.Model.summary`, by default with the layers of the network."""
        shown = (print_fn, expand_nested, show_trainable, layer_range)
        super().summary(line_length, positions, *shown)

    @classmethod
    def from_config(cls, config: dict, custom_objects=None):
        network = keras.saving.deserialize_keras_object(
            config["network"], custom_objects=custom_objects
        )
        return cls(**{**config, "network": network})
