"""What all masked diffusion models share: a Keras model round a network and an objective."""

import warnings

import keras
from keras import ops

from md4keras import metrics
from md4keras.backend import TrainStep
from md4keras.models import validation
from md4keras.models.blocks import BlockSampling
from md4keras.models.compiled import CompiledFunctions
from md4keras.models.evaluation import Evaluation
from md4keras.models.sampling import Sampling
from md4keras.models.scoring import Scoring
from md4keras.models.training import Training

_KEPT_FUNCTIONS = 32  # compiled samplers, each for one shape, and the scoring


class MaskedDiffusion(
    TrainStep, Training, Evaluation, Sampling, BlockSampling, Scoring, keras.Model
):
    """Base of `MD4` and `GenMD4`: a network, metrics in bits, `fit`, `evaluate` and sampling.

    A subclass sets `schedule` and gives `diffusion_term`, `stratified_loss` and
    `reconstruction_term`, each `[B]` in nats per example, and what `Training` asks for.

    Args:
        network: a `md4keras.networks` model, or another with its attributes.
        seed: int, of the times and masks drawn in training; `None` for one from the global seed.
    """

    def __init__(self, network, seed: int | None = None, **kwargs):
        # Inputs hold the time, which must stay float32 under any policy.
        super().__init__(autocast=False, **kwargs)
        validation.check_network(network)
        self.network = network
        self.seed = seed
        self.tokenizer = None
        self.recipe = None
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.add_evaluation_state()
        self._means = [
            keras.metrics.Mean(name="loss"),
            metrics.BitsPerDimension(),
            metrics.Perplexity(),
            keras.metrics.Mean(name="diffusion_loss"),
            keras.metrics.Mean(name="reconstruction_loss"),
        ]
        self._gradient_norm = keras.metrics.Mean(name="grad_norm")
        self._skipped_steps = keras.metrics.Sum(name="skipped_steps")
        self._compiled_functions = CompiledFunctions(_KEPT_FUNCTIONS)
        self.built = True

    def stratified_loss(self, x, labels, fraction, noise, given=None):
        """The diffusion term as a function of evenly spread numbers, for evaluation.

        Args:
            x: int tensor `[B, *data_shape]`.
            labels: int tensor `[B]` or `None`.
            fraction: float tensor `[B]` in `[0, 1)`; uniform, the expectation is the bound's.
            noise: float tensor like `x`, uniform in `[0, 1)`.
            given: bool tensor like `x`, positions that stay clean and are not scored, or `None`.

        Returns:
            float32 tensor `[B]`, nats per example.
        """
        raise NotImplementedError

    def diffusion_term(self, x, zt, t, labels):
        """The diffusion term for given masks, `[B]`, nats; tensors that were checked before."""
        raise NotImplementedError

    def reconstruction_term(self, x, given=None):
        """The reconstruction term of what is not `given` (bool, like `x`), `[B]`, nats."""
        raise NotImplementedError

    def diffusion_loss(self, x, zt, time, labels=None):
        """The diffusion term for given masks: deterministic given its inputs.

        Its expectation over times and masks is the term of the bound (`GenMD4`: over uniform
        times in `[t1, 1]`, and times `1 - t1`).

        Args:
            x: int tokens `[B, *data_shape]`, clean.
            zt: int tokens `[B, *data_shape]`, masked at `time`.
            time: float scalar or `[B]`, the time at which `zt` was masked; for a discrete-time
                model on its grid.
            labels: int `[B]`, for a network with classes.

        Returns:
            float32 tensor `[B]`, nats per example.

        Raises:
            ValueError: for tokens, times or labels that do not fit the network or each other.
        """
        x, labels = validation.check_tokens(self.network, x, labels)
        zt, _ = validation.check_tokens(self.network, zt, labels, allow_mask=True)
        validation.check_same_shape(x, zt)
        return self.diffusion_term(x, zt, validation.check_time(time, x.shape[0]), labels)

    def reconstruction_loss(self, x):
        """The reconstruction term: what is masked at the earliest time has to be guessed.

        Args:
            x: int tokens `[B, *data_shape]`.

        Returns:
            float32 tensor `[B]`, nats per example.
        """
        return self.reconstruction_term(validation.check_tokens_alone(self.network, x))

    @property
    def mask_token(self) -> int:
        """The id of the mask, one past the last ordinary token."""
        return self.network.vocabulary_size

    @property
    def metrics(self):
        return [*self._means, self._gradient_norm, self._skipped_steps]

    def call(self, inputs, training=None):
        """The network's logits for `{"tokens", "time", "label"}`; see `predict_logits`."""
        return self.network(inputs, training=training)

    def network_logits(self, zt, time, labels=None, training=False):
        """Logits `[B, *data_shape, V]` (float32) for tensors that were checked before."""
        inputs = self._network_inputs(zt, time, labels)
        return ops.cast(self.network(inputs, training=training), "float32")

    def network_logits_at(self, zt, time, positions, labels=None):
        """Logits `[B, M, V]` of the positions `[B, M]` (of the flattened `data_shape`).

        Where the network's head works position by position, it is computed for these alone.
        """
        inputs = self._network_inputs(zt, time, labels)
        pointwise = getattr(getattr(self.network, "head", None), "pointwise", False)
        outputs = self.network.features(inputs) if pointwise else self.network(inputs)
        outputs = ops.reshape(outputs, (positions.shape[0], -1, outputs.shape[-1]))
        outputs = ops.take_along_axis(outputs, ops.expand_dims(positions, -1), axis=1)
        return ops.cast(self.network.head(outputs) if pointwise else outputs, "float32")

    def _network_inputs(self, zt, time, labels) -> dict:
        inputs = {"tokens": zt}
        if self.network.time_conditioned:
            inputs["time"] = ops.broadcast_to(ops.cast(time, "float32"), (ops.shape(zt)[0],))
        if self.network.num_classes:
            inputs["label"] = labels
        return inputs

    def predict_logits(self, zt, time, labels=None):
        """The denoising distribution, as logits.

        Args:
            zt: int tokens `[B, *data_shape]`, the mask token (`V`) where masked.
            time: float scalar or `[B]` in `[0, 1]`; `None` will do for a network without time.
            labels: int `[B]`, for a network with classes.

        Returns:
            float32 tensor `[B, *data_shape, V]`; the mask is not among the outcomes.
        """
        zt, labels = validation.check_tokens(self.network, zt, labels, allow_mask=True)
        if time is None and not self.network.time_conditioned:
            time = 0.0
        return self.network_logits(zt, validation.check_time(time, zt.shape[0]), labels)

    def record_nats(self, diffusion, reconstruction, sample_weight, training):
        """Updates the metrics with the two loss terms, `[B]` each in nats per dimension."""
        nelbo = diffusion + reconstruction
        for mean, value in zip(
            self._means, (nelbo, nelbo, nelbo, diffusion, reconstruction), strict=True
        ):
            mean.update_state(*_finite_only(value, sample_weight, training))

    def step_logs(self, gradient_norm, finite):
        """Records one training step and returns the running logs."""
        finite = ops.cast(finite, "float32")
        norm = ops.where(finite > 0, gradient_norm, ops.zeros_like(gradient_norm))
        self._gradient_norm.update_state(norm, sample_weight=finite)
        self._skipped_steps.update_state(1.0 - finite)
        return self.get_metrics_result()

    def evaluation_logs(self):
        """The running logs of an evaluation."""
        return {metric.name: metric.result() for metric in self._means}

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
        if type(self).compute_loss is not Training.compute_loss:
            raise ValueError(
                "A training step goes masking by masking and does not call `compute_loss`. "
                f"Expected that of `Training`. Received: {type(self).__name__}.compute_loss. "
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
        validation.check_host_data(self.network, x, y)
        if y is None and kwargs.get("sample_weight") is not None:
            raise ValueError(
                "Sample weights without labels are dropped by Keras. Expected `y` with them, or a "
                "data set without the examples of weight 0. Received: y=None"
            )
        if kwargs.get("validation_data") is not None:
            held_out = keras.utils.unpack_x_y_sample_weight(kwargs["validation_data"])
            validation.check_host_data(self.network, *held_out[:2])
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

    @classmethod
    def from_config(cls, config: dict, custom_objects=None):
        config = dict(config)
        config["network"] = keras.saving.deserialize_keras_object(
            config["network"], custom_objects=custom_objects
        )
        return cls(**config)


def _finite_only(values, sample_weight, training):
    """In training, what is not finite is counted as skipped and must not spoil the means."""
    if not training:
        return values, sample_weight
    finite = ops.isfinite(values)
    weight = ops.cast(finite, "float32")
    if sample_weight is not None:
        weight = weight * ops.cast(sample_weight, "float32")
    return ops.where(finite, values, ops.zeros_like(values)), weight
