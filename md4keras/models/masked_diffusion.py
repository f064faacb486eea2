"""What all masked diffusion models share: a Keras model round a network and an objective."""

import warnings

import keras
import numpy as np
from keras import ops

from md4keras import forward_process, metrics
from md4keras.models import validation
from md4keras.models.backend import TrainStep
from md4keras.models.sampling import Sampling

_GOLDEN_RATIO = 0.6180339887498949


class MaskedDiffusion(TrainStep, Sampling, keras.Model):
    """Base of `MD4` and `GenMD4`: a network, metrics in bits, `fit`, `evaluate` and sampling.

    A subclass sets `schedule` and gives `training_loss`, `evaluation_loss` and
    `reconstruction_loss`, each `[B]` in nats per example.

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
        self.evaluation_seed_generator = keras.random.SeedGenerator(0)
        self.evaluation_offset = self.add_weight(
            name="evaluation_offset", shape=(), initializer="zeros", trainable=False
        )
        self._means = [
            keras.metrics.Mean(name="loss"),
            metrics.BitsPerDimension(),
            metrics.Perplexity(),
            keras.metrics.Mean(name="diffusion_loss"),
            keras.metrics.Mean(name="reconstruction_loss"),
        ]
        self._gradient_norm = keras.metrics.Mean(name="grad_norm")
        self._skipped_steps = keras.metrics.Sum(name="skipped_steps")
        self._reverse_processes = {}
        self.built = True

    def training_loss(self, x, labels):
        """The stochastic diffusion term, `[B]`, nats per example.

        Its value is reported and its gradient is followed; a subclass may return a value with the
        gradient of something else (see `GenMD4`).
        """
        raise NotImplementedError

    def evaluation_loss(self, x, labels):
        """A low-variance estimate of the diffusion term, `[B]`, nats per example."""
        raise NotImplementedError

    def reconstruction_loss(self, x):
        """The reconstruction term, `[B]`, nats per example."""
        raise NotImplementedError

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
        inputs = {"tokens": zt}
        if self.network.time_conditioned:
            inputs["time"] = ops.broadcast_to(ops.cast(time, "float32"), (ops.shape(zt)[0],))
        if self.network.num_classes:
            inputs["label"] = labels
        return ops.cast(self.network(inputs, training=training), "float32")

    def predict_logits(self, zt, time, labels=None):
        """The denoising distribution, as logits.

        Args:
            zt: int tokens `[B, *data_shape]`, the mask token (`V`) where masked.
            time: float scalar or `[B]` in `[0, 1]` (ignored by a network without time).
            labels: int `[B]`, for a network with classes.

        Returns:
            float32 tensor `[B, *data_shape, V]`; the mask is not among the outcomes.
        """
        zt, labels = validation.check_tokens(self.network, zt, labels, allow_mask=True)
        return self.network_logits(zt, ops.convert_to_tensor(time, dtype="float32"), labels)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Draws times and masks, runs the network, and averages the negative ELBO.

        Args:
            x: int tokens `[B, *data_shape]`, or a dictionary with `"tokens"` and `"label"`.
            y: int labels `[B]` or `None`.
            y_pred: not used.
            sample_weight: float `[B]` or `None`.
            training: bool, whether to use `training_loss` or `evaluation_loss`.

        Returns:
            float32 scalar tensor, nats per dimension.
        """
        x, labels = validation.check_tokens(self.network, *validation.split_labels(x, y))
        diffusion = self.training_loss(x, labels) if training else self.evaluation_loss(x, labels)
        num_positions = ops.cast(forward_process.positions(x), "float32")
        diffusion = diffusion / num_positions
        reconstruction = self.reconstruction_loss(x) / num_positions
        nelbo = diffusion + reconstruction
        for mean, value in zip(
            self._means, (nelbo, nelbo, nelbo, diffusion, reconstruction), strict=True
        ):
            mean.update_state(*_finite_only(value, sample_weight, training))
        if sample_weight is not None:
            nelbo = nelbo * ops.cast(sample_weight, "float32")
        return ops.mean(nelbo)

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
            ValueError: if a loss or metrics are given (the model brings its own), or under the
                `mixed_float16` policy, whose loss scaling the skipping of steps would defeat.
        """
        for name in ("loss", "metrics", "weighted_metrics", "loss_weights"):
            if kwargs.get(name) is not None:
                raise ValueError(
                    "The objective of a masked diffusion model is its own negative ELBO. Expected "
                    f"no {name}. Received: {name}={kwargs[name]!r}. Call `compile(optimizer)`."
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
        if isinstance(kwargs.get("validation_data"), tuple):
            validation.check_host_data(self.network, *kwargs["validation_data"][:2])
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

    def evaluate(
        self, x=None, y=None, *args, num_passes: int | None = None, seed: int = 0, **kwargs
    ):
        """As `keras.Model.evaluate`, over several passes with evenly spread mask counts.

        The same seed gives the same result; other seeds agree within the Monte Carlo error.

        Args:
            x, y: arrays or a data set that can be read repeatedly.
            num_passes: int; `None` for as many as it takes to see 2**20 positions, 64 at most.
            seed: int, of the masks.
        """
        during_fit = kwargs.get("_use_cached_eval_dataset", False)
        return_dict = kwargs.pop("return_dict", False)
        if not during_fit:
            validation.check_host_data(self.network, x, y)
        self.evaluation_seed_generator.state.assign(np.array([seed, 0], dtype="uint32"))
        logs = [self._evaluate_once(seed, x, y, *args, **kwargs)]
        if num_passes is None:
            num_passes = 1 if during_fit else self._passes_wanted()
        kwargs["verbose"] = 0
        for index in range(1, num_passes):
            logs.append(self._evaluate_once(seed + index, x, y, *args, **kwargs))
        mean = {name: float(np.mean([log[name] for log in logs])) for name in logs[0]}
        mean["perplexity"] = float(np.exp(mean["loss"]))
        return mean if return_dict else list(mean.values())

    @classmethod
    def from_config(cls, config: dict, custom_objects=None):
        config = dict(config)
        config["network"] = keras.saving.deserialize_keras_object(
            config["network"], custom_objects=custom_objects
        )
        return cls(**config)

    def _evaluate_once(self, index, *args, **kwargs) -> dict:
        # Multiples of the golden ratio fill the unit interval evenly, however many there are.
        self.evaluation_offset.assign(index * _GOLDEN_RATIO % 1.0)
        with warnings.catch_warnings():
            if kwargs.get("steps") is None:  # Keras takes the end of a Grain data set for a lack
                warnings.filterwarnings("ignore", message="Your input ran out of data")
            return super().evaluate(*args, return_dict=True, **kwargs)

    def _passes_wanted(self) -> int:
        examples = max(1.0, float(self._means[0].count))
        positions = examples * float(np.prod(self.network.data_shape))
        return int(np.clip(np.ceil(2**20 / positions), 1, 64))


def _finite_only(values, sample_weight, training):
    """In training, what is not finite is counted as skipped and must not spoil the means."""
    if not training:
        return values, sample_weight
    finite = ops.isfinite(values)
    weight = ops.cast(finite, "float32")
    if sample_weight is not None:
        weight = weight * ops.cast(sample_weight, "float32")
    return ops.where(finite, values, ops.zeros_like(values)), weight
