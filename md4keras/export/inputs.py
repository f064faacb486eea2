"""Inputs of an exported model's signatures: what they mean, and what is refused."""

import numpy as np
import tensorflow as tf

from md4keras.export.checks import count_in, in_vocabulary, one_of, whole_blocks, within
from md4keras.export.interface import Argument
from md4keras.export.limits import Limits
from md4keras.samplers import TIME_GRIDS


class Inputs:
    """Inputs of requests to a network; each method returns the arguments that belong together."""

    def __init__(self, network, limits: Limits):
        self.network, self.limits = network, limits
        self.has_null_label = bool(getattr(network, "label_dropout", 0.0))
        self.is_text = len(network.data_shape) == 1
        self.max_length = limits.length or network.data_shape[0]
        self.data_shape = (None,) if self.is_text else tuple(network.data_shape)
        short = (min(self.max_length, network.data_shape[0]),)
        self.example_shape = (1, *(short if self.is_text else network.data_shape))
        # The shape of one sample, for people.
        self.shape_text = ", ".join(str(size or "length") for size in self.data_shape)

    def tokens(self, meaning: str, masks: bool = False, read: bool = True):
        """Tokens of rows, with or without masks; those that are not `read` may have any value."""
        values = self.network.vocabulary_size
        allowed = f"in [0, {values}], {values} is the mask" if masks else f"in [0, {values})"

        def check(name, tokens):
            sizes = tf.shape(tokens)
            checked = [count_in(name, "rows", sizes[0], self.limits.num_samples)]
            if self.is_text:
                checked.append(count_in(name, "tokens a row", sizes[1], self.max_length))
            if read:
                checked.append(in_vocabulary(name, tokens, values if masks else values - 1))
            return checked

        return self.like_tokens("tokens", "int32", f"{meaning}; values {allowed}", check, 0)

    def like_tokens(self, name: str, dtype: str, meaning: str, check, value):
        """An argument of the shape of the tokens, with the same value everywhere as example."""
        example = np.full(self.example_shape, value)
        return Argument(name, dtype, (None, *self.data_shape), meaning, check, example=example)

    def of_block(self, size: int):
        """Inputs and outputs of drawing a block of a text, and the keys and values before it."""
        vocabulary_size = self.network.vocabulary_size
        tokens = f"the block; values in [0, {vocabulary_size}], {vocabulary_size} is drawn"
        time = "time of the first state, in (0, 1]; 0 for the one that fits the gaps"
        kept = self._kept(size)
        arguments = (
            self._block(size, size, tokens),
            *kept,
            *self.labels("each row"),
            *self.steps(),
            *self.how_to_draw(),
            self.number("start_time", time, within(0.0, 1.0), 0.0),
        )
        longer = ["layers", "rows", "tokens", *kept[0].shape[3:]]
        longer = f"float32 {longer}, the block's too"
        return arguments, {"tokens": f"int32 [rows, {size}]", "keys": longer, "values": longer}

    def of_block_logits(self, size: int):
        """Inputs and outputs of the logits of a block, given the keys and values before it."""
        vocabulary_size = self.network.vocabulary_size
        tokens = f"a block, or the beginning of one at the end of a text, 1 to {size} tokens; "
        tokens += f"values in [0, {vocabulary_size}], {vocabulary_size} is the mask"
        block = self._block(size, None, tokens)
        arguments = block, *self._kept(size), *self.labels("each row")
        return arguments, {"logits": f"float32 [rows, tokens, {vocabulary_size}]"}

    def _block(self, size: int, columns: int | None, meaning: str) -> Argument:
        """Tokens of one block, some of them masks."""
        mask_token = self.network.vocabulary_size

        def check(name, tokens):
            sizes = tf.shape(tokens)
            rows = count_in(name, "rows", sizes[0], self.limits.num_samples)
            few = count_in(name, "tokens a row", sizes[1], size)
            return [rows, few, in_vocabulary(name, tokens, mask_token)]

        example = np.full((1, size), mask_token)
        return Argument("tokens", "int32", (None, columns), meaning, check, example=example)

    def _kept(self, size: int) -> tuple[Argument, Argument]:
        """Keys and values of the blocks before one."""
        network, guided = self.network, " and guidance's rows behind them"
        heads = network.num_heads, network.hidden_dim // network.num_heads
        shape = (network.num_layers, None, None, *heads)
        meaning = f"of the tokens before the block, whole blocks{guided * self.has_null_label}"

        def check(name, keys):
            stored = tf.shape(keys)[2]
            longest = count_in(name, "tokens, the block's too", stored + size, self.max_length)
            return [longest, whole_blocks(name, stored, size)]

        none = np.zeros((network.num_layers, 1 + self.has_null_label, 0, *heads))
        return tuple(
            Argument(name, "float32", shape, meaning, each, example=none)
            for name, each in (("keys", check), ("values", None))
        )

    def labels(self, of_what):
        """Classes, where the network has them; else nothing."""
        if not self.network.num_classes:
            return ()
        # The id num_classes is the null label of a network with label dropout.
        highest = self.network.num_classes - 1 + self.has_null_label
        meaning = f"class of {of_what}, in [0, {highest}]"
        return (Argument("labels", "int32", (None,), meaning, within(0, highest), example=[0]),)

    def seed(self, meaning: str):
        """What all random numbers come from."""
        return Argument("seed", "int64", (), f"in [0, 2**32){meaning}", within(0, 2**32 - 1), 0)

    def number(self, name: str, meaning: str, check, default: float | None = None, example=None):
        """A float."""
        return Argument(name, "float32", (), meaning, check, default, example)

    def how_to_draw(self):
        """What changes each draw."""
        mass, warm = within(0.0, 1.0, above=True), within(1e-4, 1e30, or_zero=True)
        temperature = "divides the logits, at least 1e-4; or 0 for the likeliest tokens"
        arguments = (
            self.seed("; the same seed gives the same tokens"),
            self.number("temperature", temperature, warm, 1.0),
            self.number("top_p", "mass of values to keep, in (0, 1]", mass, 1.0),
        )
        if not self.has_null_label:
            return arguments
        return (*arguments, self.number("guidance", "scale of guidance", within(0.0, 1e30), 1.0))

    def steps(self):
        """How many steps there are, and when."""
        most, usual = self.limits.num_steps, min(128, self.limits.num_steps)
        count, grid = f"steps, 1 to {most}", f"one of {list(TIME_GRIDS)}"
        return (
            Argument("num_steps", "int32", (), count, within(1, most), usual, min(2, most)),
            Argument("time_grid", "string", (), grid, one_of(TIME_GRIDS), TIME_GRIDS[0]),
        )

    def samples(self):
        """How many samples there are, and how long they are."""
        most, longest = self.limits.num_samples, self.max_length
        count, length = f"samples, 1 to {most}", f"tokens of a sample, 1 to {longest}"
        arguments = (
            Argument("num_samples", "int32", (), count, within(1, most), 1),
            Argument("length", "int32", (), length, within(1, longest), self.example_shape[1]),
        )
        return arguments if self.is_text else arguments[:1]

    def draws(self):
        """How often a row is scored."""
        most, usual = self.limits.num_draws, min(64, self.limits.num_draws)
        meaning = f"draws of masks, 2 to {most}"
        return Argument("num_samples", "int32", (), meaning, within(2, most), usual, example=2)
