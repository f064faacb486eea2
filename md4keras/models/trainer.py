"""Training: `fit`, in steps that may go part by part."""

import warnings

import keras
import numpy as np
from keras import ops

from md4keras import backend
from md4keras.checks import check_whole
from md4keras.models import accumulation
from md4keras.models.host_data import check_host_data, in_tuples
from md4keras.models.objective import Objective
from md4keras.models.training_step import Step


class Trainer(Objective):
    """`fit` of a model that has `draw_maskings`: compiling, steps, and what becomes of bad ones."""

    def __init__(self, network, seed: int | None = None, **kwargs):
        super().__init__(network, seed, **kwargs)
        self._gradient_norm = keras.metrics.Mean(name="grad_norm")
        self._skipped_steps = keras.metrics.Sum(name="skipped_steps")
        self.micro_batches, self.max_skipped_steps = 1, None
        self._skipped_in_a_row = 0

    @property
    def metrics(self):
        return [*super().metrics, self._gradient_norm, self._skipped_steps]

    def compile(
        self,
        optimizer="adamw",
        micro_batches: int = 1,
        max_skipped_steps: int | None = 100,
        **kwargs,
    ):
        """Configures training.

        Args:
            optimizer: a Keras optimizer or its name. One that accumulates gradients
                (`gradient_accumulation_steps`) averages its weights once an update.
            micro_batches: int, parts of a batch that go through the network one after another.
                The step is that of the whole batch, its times and scored tokens included; memory
                is that of a part.
            max_skipped_steps: int or `None`. Steps whose loss or gradient is not finite are
                skipped; where so many follow one another, training ends with a `ValueError`.
            **kwargs: go to `keras.Model.compile`.

        Raises:
            ValueError: if a loss or metrics are given (the model brings its own), if a subclass
                overrides `compute_loss`, or under the `mixed_float16` policy, whose loss scaling
                the skipping of steps would defeat.

        Example:

        >>> model.compile(keras.optimizers.AdamW(1e-3, use_ema=True), micro_batches=2)
        >>> model.micro_batches
        2
        """
        self.micro_batches = check_whole("micro_batches", micro_batches, mend="Use 1.")
        if max_skipped_steps is not None:
            check_whole("max_skipped_steps", max_skipped_steps, mend="None sets no limit.")
        self.max_skipped_steps, self._skipped_in_a_row = max_skipped_steps, 0
        for name in ("loss", "metrics", "weighted_metrics", "loss_weights"):
            if kwargs.get(name) is not None:
                raise ValueError(
                    "The objective of a masked diffusion model is its own negative ELBO. Expected "
                    f"no {name}. Received: {name}={kwargs[name]!r}. Call `compile(optimizer)`."
                )
        if type(self).compute_loss is not Trainer.compute_loss:
            raise ValueError(
                "A training step goes masking by masking and does not call `compute_loss`. "
                f"Expected that of `Trainer`. Received: {type(self).__name__}.compute_loss. "
                "Override `masking_objective` or `closing_objective` instead."
            )
        if self.network.compute_dtype == "float16":
            raise ValueError(
                "Training in float16 is not supported. Expected a float32 or bfloat16 policy. "
                "Received: compute_dtype='float16'. Use the 'mixed_bfloat16' policy."
            )
        optimizer = keras.optimizers.get(optimizer)
        super().compile(optimizer=optimizer, **kwargs)
        accumulation.average_updates(optimizer)

    def get_compile_config(self) -> dict:
        """What `compile` was given, as a saved `.keras` file has it."""
        given = super().get_compile_config()  # {} of a model that was not compiled
        own = ("micro_batches", "max_skipped_steps")
        return given and {**given, **{name: getattr(self, name) for name in own}}

    def compile_from_config(self, config: dict) -> None:
        """Compiles as `get_compile_config` says, and creates the optimizer's variables."""
        given = keras.saving.deserialize_keras_object(config)
        self.compile(**given)
        given["optimizer"].build(self.trainable_variables)

    def fit(self, x=None, y=None, *args, **kwargs):
        """As `keras.Model.fit`; first checks the tokens that are at hand on the host.

        Batches hold tokens, int `[B, *data_shape]`, or a dictionary of `"tokens"` and any of

        - `"label"`: int `[B]`, the classes, in place of `y`;
        - `"padding_mask"`: bool `[B, L]`, `False` for padding: neither attended to nor masked nor
          scored, whatever ids stand there;
        - `"segment_ids"`: int `[B, L]`, the documents of a row (1, 2, ...; 0 is padding): attention
          does not cross them, and positions are counted from the start of each;
        - `"given"`: bool like the tokens, what is known: attended to, never masked, not scored;
        - `"sample_weight"`: as the argument, float `[B]` or like the tokens: what the nats of an
          example or a position count.

        They come as arrays, or from anything that Keras reads: Grain, `tf.data`, `PyDataset`,
        PyTorch's `DataLoader`, a generator.

        The loss is the sum of weighted nats over the number of scored positions of the batch; what
        is reported is their weighted mean over all positions seen.

        Example:

        >>> model.compile("adamw")
        >>> padding_mask = np.arange(8) < np.array([[8], [8], [3], [2]])
        >>> texts = {"tokens": np.zeros((4, 8), "int32"), "padding_mask": padding_mask}
        >>> history = model.fit(texts, batch_size=2, verbose=0)
        >>> sorted(history.history)[:3]
        ['bits_per_dim', 'diffusion_loss', 'grad_norm']
        """
        check_host_data(self.network, x, y, kwargs.get("sample_weight"))
        x = in_tuples(x)
        if kwargs.get("validation_data") is not None:
            held_out = keras.utils.unpack_x_y_sample_weight(kwargs["validation_data"])
            check_host_data(self.network, *held_out)
            kwargs["validation_data"] = in_tuples(kwargs["validation_data"])
        self._check_has_optimizer()
        backend.check_devices(self)
        if not isinstance(x, (np.ndarray, dict, keras.utils.PyDataset)) and not ops.is_tensor(x):
            kwargs.setdefault("shuffle", False)  # Keras shuffles arrays, and else warns
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

    def train_on_batch(self, x, y=None, *args, **kwargs):
        """As `keras.Model.train_on_batch`; checks as `fit`."""
        check_host_data(self.network, x, y)
        self._check_has_optimizer()
        backend.check_devices(self)
        return super().train_on_batch(x, y, *args, **kwargs)

    def _check_has_optimizer(self):
        if getattr(self, "optimizer", None) is None:
            raise ValueError(
                "Training needs an optimizer. Expected a call of `compile` before. Received: "
                "optimizer=None. Call `model.compile(keras.optimizers.AdamW(1e-3))`, for instance."
            )

    train_step = backend.train_step  # as Keras's trainer of the running backend calls it
    release_shared_buffers = backend.release_shared_buffers

    def in_micro_batches(self, step: Step, processes: int = 1) -> Step:
        """A step's rows as tensors `[parts, rows, ...]`; what is added counts nothing.

        Args:
            step: from `draw_step`.
            processes: int, how many share the step; each takes `micro_batches` of the parts.
        """
        parts, is_row = accumulation.in_parts(step, self.micro_batches * processes)
        return parts._replace(weight=ops.where(is_row, parts.weight, 0.0))

    def parts_of(self, step: Step, processes: int = 1) -> list[Step]:
        """The steps whose objectives add up to that of a step; as `in_micro_batches`."""
        num_parts = self.micro_batches * processes
        if num_parts == 1:
            return [step]
        parts = self.in_micro_batches(step, processes)
        return [accumulation.part(parts, number) for number in range(num_parts)]

    def terms_of(self, step: Step, terms: list):
        """The diffusion terms of a step's maskings, `[B]` each.

        Args:
            step: from `draw_step`.
            terms: those of its parts, a tensor `[parts, rows]` for each masking.
        """
        count = ops.shape(step.time)[0]
        return [accumulation.whole(each, count) for each in terms]

    def step_logs(self, gradient_norm, finite):
        """Records one training step and returns the running logs."""
        finite = ops.cast(finite, "float32")
        norm = ops.where(finite > 0, gradient_norm, ops.zeros_like(gradient_norm))
        self._gradient_norm.update_state(norm, sample_weight=finite)
        self._skipped_steps.update_state((1.0 - finite) / backend.replicas()[0])  # their sum
        logs = {metric.name: metric.result() for metric in self.metrics}
        return {**logs, "skipped": 1.0 - finite}

    def step_findings(self, logs: dict) -> dict:
        """Whether the step was skipped, beside the rest."""
        skipped = logs.pop("skipped", None)
        findings = super().step_findings(logs)
        return findings if skipped is None else {**findings, "skipped": skipped}

    def look_at_step(self, findings: dict) -> None:
        """Raises a `ValueError` where too many steps in a row were skipped."""
        super().look_at_step(findings)
        if "skipped" not in findings or self.max_skipped_steps is None:
            return
        steps = self.steps_per_execution  # the last one speaks for them
        skipped = float(ops.convert_to_numpy(findings["skipped"])) > 0
        self._skipped_in_a_row = self._skipped_in_a_row + steps if skipped else 0
        if self._skipped_in_a_row >= self.max_skipped_steps:
            count, self._skipped_in_a_row = self._skipped_in_a_row, 0
            raise ValueError(
                "Training does not go on: the loss or the gradient was not finite in too many "
                f"steps in a row, which were skipped. Expected fewer than {self.max_skipped_steps}."
                f" Received: {count} skipped steps. Use a lower learning rate, clipping or float32."
            )
