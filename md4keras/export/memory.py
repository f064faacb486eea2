"""The memory of samplers, as inputs and outputs of an exported step."""

import keras
import numpy as np
import tensorflow as tf

from md4keras.export import checks
from md4keras.export.checks import within
from md4keras.export.inputs import Inputs
from md4keras.export.interface import Argument


class StepMemory:
    """The memory of `denoise_step`: tensors by name, there and back.

    `"memory"` is float32 like the tokens: infinity where a token was given, else what the sampler
    remembers of each position. Where a sampler remembers more (`Klass`), each further tensor of its
    `first_memory` has an input and an output of its own, such as `"memory_mu"`.

    Args:
        sampler: a `Sampler`; nothing is remembered where it does not read its memory.
        network: the model's network.
    """

    def __init__(self, sampler, network):
        self.sampler, self._values = sampler, network.vocabulary_size
        first = sampler.first_memory(np.zeros((1, *network.data_shape), "int32"), self._values)
        self._type = type(first) if isinstance(first, tuple) else None  # a NamedTuple
        self._further = {}  # sizes after those of the tokens
        if self._type is not None:
            rest = zip(first._fields[1:], first[1:], strict=True)
            self._further = {
                n: tuple(each.shape[1 + len(network.data_shape) :]) for n, each in rest
            }

    def names(self) -> list[str]:
        """Of the inputs, which are also those of the outputs."""
        further = [f"memory_{name}" for name in self._further]
        return ["memory", *further] if self.sampler.remembers else []

    def arguments(self, inputs: Inputs) -> list[Argument]:
        """The inputs, of which none may be left out."""
        meaning = "of the step before; at first 0"
        given = f"{meaning}, infinity where a token was given"
        found = [inputs.like_tokens("memory", "float32", given, within(0.0, float("inf")), 0.0)]
        number = within(float("-inf"), float("inf"))
        for name, sizes in self._further.items():
            shape = (None, *inputs.data_shape, *sizes)
            example = np.zeros((*inputs.example_shape, *sizes))
            found.append(
                Argument(f"memory_{name}", "float32", shape, meaning, number, example=example)
            )
        return found[: len(self.names())]

    def outputs(self) -> dict[str, str]:
        """What the outputs are, by name."""
        return dict.fromkeys(self.names(), "float32, for the next step")

    def checks(self, request) -> list:
        """Operations that fail where an input is not like the tokens."""
        return [checks.same_shape(request, "tokens", name) for name in self.names()]

    def read(self, request):
        """What was given (bool like the tokens), and what the sampler remembers."""
        zt = request["tokens"]
        if not self.sampler.remembers:
            return tf.zeros(tf.shape(zt), "bool"), self.sampler.first_memory(zt, self._values)
        first, *further = (request[name] for name in self.names())
        given = tf.equal(first, float("inf"))
        return given, self._packed([tf.where(given, 0.0, first), *further])

    def written(self, given, remembered) -> dict:
        """The outputs, from what was given and what is remembered for the next step."""
        first, *further = keras.tree.flatten(remembered)
        values = [tf.where(given, float("inf"), first), *further]
        return dict(zip(self.names(), values, strict=False))

    def _packed(self, tensors):
        return tensors[0] if self._type is None else self._type(*tensors)
