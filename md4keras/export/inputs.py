"""Inputs of an exported model's signatures."""

import numpy as np

from md4keras.export.interface import Argument
from md4keras.export.limits import Limits
from md4keras.samplers import TIME_GRIDS


class Inputs:
    """Inputs of requests to a network; each method returns the arguments that belong together.

    Args:
        network: a `md4keras.networks` model.
        limits: a `Limits`.
    """

    def __init__(self, network, limits: Limits):
        self.network, self.limits = network, limits
        self.is_text = len(network.data_shape) == 1
        self.max_length = limits.length or network.data_shape[0]
        self.data_shape = (None,) if self.is_text else tuple(network.data_shape)
        short = (min(self.max_length, network.data_shape[0]),)
        self.example_shape = (1, *(short if self.is_text else network.data_shape))

    def tokens(self, meaning: str, masks: bool = False):
        """Tokens of one or more rows, with or without the mask token among them."""
        values = self.network.vocabulary_size
        allowed = f"in [0, {values}], {values} is the mask" if masks else f"in [0, {values})"
        example = np.zeros(self.example_shape)
        shape = (None, *self.data_shape)
        return Argument("tokens", "int32", shape, f"{meaning}; values {allowed}", example=example)

    def labels(self, of_what):
        """Classes, where the network has them; else nothing."""
        if not self.network.num_classes:
            return ()
        meaning = f"class of {of_what}, in [0, {self.highest_label}]"
        return (Argument("labels", "int32", (None,), meaning, example=[0]),)

    def how_to_draw(self):
        """What changes each draw."""
        arguments = [
            Argument("seed", "int64", (), "in [0, 2**32); the same seed gives the same tokens", 0),
            Argument("temperature", "float32", (), "divides the logits, at least 1e-4", 1.0),
            Argument("top_p", "float32", (), "mass of values to keep, in (0, 1]", 1.0),
        ]
        if getattr(self.network, "label_dropout", 0.0):
            arguments.append(Argument("guidance", "float32", (), "scale of guidance", 1.0))
        return tuple(arguments)

    def steps(self):
        """How many steps there are, and when."""
        most, usual = self.limits.num_steps, min(128, self.limits.num_steps)
        return (
            Argument("num_steps", "int32", (), f"steps, 1 to {most}", usual, min(2, most)),
            Argument("time_grid", "string", (), f"one of {list(TIME_GRIDS)}", TIME_GRIDS[0]),
        )

    def generation(self):
        """All of `generate`."""
        arguments = self.labels("each sample")
        most = self.limits.num_samples
        arguments += (Argument("num_samples", "int32", (), f"samples, 1 to {most}", 1),)
        if self.is_text:
            meaning = f"tokens of a sample, 1 to {self.max_length}"
            usual = self.example_shape[1]
            arguments += (Argument("length", "int32", (), meaning, usual),)
        return (*arguments, *self.steps(), *self.how_to_draw())

    def infilling(self):
        """Those of `infill` after its tokens."""
        meaning = "time of the first state, in (0, 1]; 0 for the one that fits the gaps"
        start = Argument("start_time", "float32", (), meaning, 0.0)
        return (*self.labels("each row"), *self.steps(), *self.how_to_draw(), start)

    def scoring(self):
        """Those of `score` after its tokens."""
        most, usual = self.limits.num_draws, min(64, self.limits.num_draws)
        meaning = f"draws of masks, 2 to {most}"
        return (
            *self.labels("each row"),
            Argument("seed", "int64", (), "in [0, 2**32), of the masks", 0),
            Argument("num_samples", "int32", (), meaning, usual, example=2),
        )

    @property
    def shape_text(self) -> str:
        """The shape of one sample, for people."""
        return ", ".join("length" if size is None else str(size) for size in self.data_shape)

    @property
    def highest_label(self) -> int:
        """The highest class id that the network knows."""
        # The id num_classes is the null label of a network with label dropout.
        null = 1 if getattr(self.network, "label_dropout", 0.0) else 0
        return self.network.num_classes - 1 + null
