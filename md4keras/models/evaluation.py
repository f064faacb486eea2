"""`evaluate`: an estimate of the bound with little variance."""

import warnings

import keras
import numpy as np
from keras import ops

from md4keras import forward_process, random
from md4keras.models import validation

_ROBERTS = (0.7548776662466927, 0.5698402909980532)  # 1/g, 1/g^2 with g^3 = g + 1


class Evaluation:
    """`evaluate` of a model with `stratified_loss`."""

    def add_evaluation_state(self):
        """Creates the variables; called once, by the constructor."""
        self.evaluation_seed_generator = keras.random.SeedGenerator(0)
        self.evaluation_point = self.add_weight(
            name="evaluation_point",
            shape=(2,),
            initializer="zeros",
            trainable=False,
            dtype="float32",
        )

    def evaluation_loss(self, x, labels):
        """The diffusion term, evenly spread over batch, batches and passes, `[B]`, nats.

        Row `i` of `B` gets the stratum `(i + rotation) mod B` of `B` equal ones, and a place in
        it; both move from batch to batch along a sequence that fills the unit square evenly
        (Roberts 2018), from a random start.
        """
        point = ops.convert_to_tensor(self.evaluation_point)
        moved = point + ops.convert_to_tensor(_ROBERTS, dtype="float32")
        self.evaluation_point.assign(moved - ops.floor(moved))
        fraction = forward_process.spread_times(point, ops.shape(x)[0])
        noise = keras.random.uniform(
            ops.shape(x), seed=self.evaluation_seed_generator, dtype="float32"
        )
        return self.stratified_loss(x, labels, fraction, noise)

    def evaluate(
        self, x=None, y=None, *args, num_passes: int | None = None, seed: int = 0, **kwargs
    ):
        """As `keras.Model.evaluate`, over several passes with evenly spread mask counts.

        The same seed gives the same result; other seeds agree within the Monte Carlo error.

        Args:
            x, y: arrays or a data set that can be read repeatedly.
            num_passes: int; `None` for as many as it takes to see 2**20 positions, 64 at most.
            seed: int in `[0, 2**32)`, of the masks.

        Returns:
            list of `loss` (nats per dimension), `bits_per_dim`, `perplexity`, `diffusion_loss` and
            `reconstruction_loss`; a dictionary with `return_dict=True`.
        """
        if num_passes is not None:
            validation.check_positive_int("num_passes", num_passes)
        random.check_seed(seed)
        during_fit = kwargs.get("_use_cached_eval_dataset", False)
        return_dict = kwargs.pop("return_dict", False)
        if not during_fit:
            validation.check_host_data(self.network, x, y)
        self.evaluation_seed_generator.state.assign(np.array([seed, 0], dtype="uint32"))
        self.evaluation_point.assign(np.random.default_rng(seed).random(2))
        logs = [self._evaluate_once(x, y, *args, **kwargs)]
        if num_passes is None:
            num_passes = 1 if during_fit else self._passes_wanted()
        kwargs["verbose"] = 0
        for _ in range(1, num_passes):
            logs.append(self._evaluate_once(x, y, *args, **kwargs))
        mean = {name: float(np.mean([log[name] for log in logs])) for name in logs[0]}
        mean["perplexity"] = float(np.exp(mean["loss"]))
        return mean if return_dict else [mean[metric.name] for metric in self._means]

    def _evaluate_once(self, *args, **kwargs) -> dict:
        with warnings.catch_warnings():
            if kwargs.get("steps") is None:  # Keras takes the end of a Grain data set for a lack
                warnings.filterwarnings("ignore", message="Your input ran out of data")
            return super().evaluate(*args, return_dict=True, **kwargs)

    def _passes_wanted(self) -> int:
        examples = max(1.0, float(self._means[0].count))
        positions = examples * float(np.prod(self.network.data_shape))
        return int(np.clip(np.ceil(2**20 / positions), 1, 64))
