"""Signatures of a SavedModel: named inputs with defaults, and a graph that answers."""

import dataclasses
import inspect
from collections.abc import Callable

import numpy as np
import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Argument:
    """One input of a signature.

    Attributes:
        name: str, of the input.
        dtype: str, name of a TensorFlow type.
        shape: tuple of sizes, `None` where open.
        meaning: str, for people.
        default: value that TensorFlow Serving fills in; `None` if it must be given.
        example: value of a small request, to warm up a server; `None` for the default.
    """

    name: str
    dtype: str
    shape: tuple
    meaning: str
    default: object = None
    example: object = None

    @property
    def small(self) -> np.ndarray:
        """The value of a small request."""
        value = self.default if self.example is None else self.example
        return np.asarray(value, tf.as_dtype(self.dtype).as_numpy_dtype)


@dataclasses.dataclass(frozen=True)
class Signature:
    """A named function of an exported model.

    Attributes:
        meaning: str, for people.
        arguments: tuple of `Argument`, those without a default first.
        outputs: dictionary, what each output is, by name.
        answer: function of a dictionary of tensors that returns one.
    """

    meaning: str
    arguments: tuple[Argument, ...]
    outputs: dict[str, str]
    answer: Callable[[dict], dict]

    def function(self, traced: Callable[[], None]):
        """A `tf.function` with the names, types and defaults of the arguments.

        Args:
            traced: function that is called when the graph is built, for a sign of progress.
        """
        # `tf.saved_model.save` reads names and defaults from the function's parameters.
        parameters = [
            inspect.Parameter(
                each.name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=inspect.Parameter.empty
                if each.default is None
                else tf.constant(each.default, each.dtype),
            )
            for each in self.arguments
        ]

        def answer(*values):
            traced()
            # A server does not compare what it is sent with the shapes of a signature.
            request = {
                each.name: tf.ensure_shape(value, each.shape)
                for each, value in zip(self.arguments, values, strict=True)
            }
            return self.answer(request)

        answer.__signature__ = inspect.Signature(parameters)
        specs = [tf.TensorSpec(each.shape, each.dtype, each.name) for each in self.arguments]
        return tf.function(answer, input_signature=specs, autograph=False)
