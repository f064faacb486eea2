"""The likelihood bound of single examples, with its standard error."""

import numpy as np
from keras import ops

from md4keras import random
from md4keras.backend import compile_function
from md4keras.models import sampling_checks, validation


class Scoring:
    """`score` of a model with `stratified_loss` and `reconstruction_term`."""

    def score(
        self,
        x,
        labels=None,
        num_samples: int = 64,
        seed: int = 0,
        given=None,
        batch_size: int = 64,
        on_step=None,
    ):
        """An upper bound on `-log p(x)` of each example, in nats (the negative ELBO).

        An average over `num_samples` draws of masks, evenly spread over time (one draw in each of
        as many equal strata). With `given`, a bound on `-log p(rest | given)`.

        Args:
            x: int tokens `[n, *data_shape]`.
            labels: int or int `[n]`, for a network with classes.
            num_samples: int, at least 2: draws an example. Memory does not grow with it.
            seed: int in `[0, 2**32)`; example `i` depends on `(seed, i)` alone.
            given: bool, the shape of `x` (or of one example): tokens that are known and are not
                scored; `None` for none.
            batch_size: int, draws in one network call.
            on_step: function of `(calls, most)`, called after each network call with their number
                so far and in all; what it raises ends the scoring. `None` for none.

        Returns:
            The bound and its standard error, float64 arrays `[n]`, nats per example. The error is
            estimated from the differences of strata in pairs ("collapsed strata"), whose
            expectation is at least the variance.

        Raises:
            ValueError: for bad arguments, or a row in which everything is given.
        """
        validation.check_positive_int("num_samples", num_samples)
        validation.check_positive_int("batch_size", batch_size)
        if num_samples < 2:
            raise ValueError(
                "A standard error needs two draws. Expected num_samples >= 2. "
                f"Received: num_samples={num_samples}"
            )
        x, given = sampling_checks.check_scoring(self.network, x, given)
        labels = sampling_checks.check_sampling_labels(self.network, labels, len(x))
        random.check_seed(seed)
        seed = random.seed_word(int(seed))
        score_rows = self._compiled_functions.get(
            "score", lambda: compile_function(self, self.draw_bounds)
        )
        count = len(x) * num_samples
        total, squares, previous = np.zeros(len(x)), np.zeros(len(x)), np.zeros(1)
        for start in range(0, count, batch_size):
            # The last rows are repeated, so that one shape is compiled.
            rows = np.minimum(np.arange(start, start + batch_size), count - 1)
            example, draw = rows // num_samples, rows % num_samples
            inputs = {
                "x": x[example],
                "labels": None if labels is None else labels[example],
                "given": None if given is None else given[example],
                "example": example.astype("int32"),
                "draw": draw.astype("int32"),
                "num_samples": np.float32(num_samples),
                "seed": np.int32(seed),
            }
            inputs = {
                name: None if value is None else ops.convert_to_tensor(value)
                for name, value in inputs.items()
            }
            nats = ops.convert_to_numpy(score_rows(inputs))[: count - start]
            nats, example, draw = nats.astype("float64"), example[: len(nats)], draw[: len(nats)]
            differences = np.diff(np.concatenate([previous, nats]))
            paired = closes_pair(draw, num_samples)
            np.add.at(total, example, nats)
            np.add.at(squares, example, np.where(paired, differences**2, 0.0))
            previous = nats[-1:]
            if on_step is not None:
                on_step(start // batch_size + 1, -(-count // batch_size))
        return total / num_samples, np.sqrt(squares) / num_samples

    def draw_bounds(self, inputs):
        """The bound of each row under one draw of masks, `[B]` in nats; see `score`.

        Args:
            inputs: dictionary of tensors: `x` `[B, *data_shape]`, `labels` and `given` or `None`,
                `example` and `draw` `[B]` (which draw of which example a row is), and the scalars
                `num_samples` and `seed`.
        """
        x, given = inputs["x"], inputs["given"]
        draw = ops.reshape(inputs["draw"], (-1,) + (1,) * (len(x.shape) - 1))
        masks, within = random.uniforms(inputs["seed"], inputs["example"], ops.shape(x)[1:], draw)
        within = ops.reshape(within, (ops.shape(x)[0], -1))[:, 0]  # one number a row
        fraction = (ops.cast(inputs["draw"], "float32") + within) / inputs["num_samples"]
        fraction = ops.minimum(fraction, 1.0 - 2.0**-24)
        diffusion = self.stratified_loss(x, inputs["labels"], fraction, masks, given)
        return diffusion + self.reconstruction_term(x, given)


def closes_pair(draw, num_samples):
    """Whether a draw is the second of two strata that are compared; for arrays and tensors.

    Strata come in pairs; the last of an odd number makes one with its neighbour.
    """
    return (draw % 2 == 1) | ((draw == num_samples - 1) & (num_samples % 2 == 1))
