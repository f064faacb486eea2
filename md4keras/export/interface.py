"""Signatures of a SavedModel: named inputs with defaults, and a graph that answers."""

import dataclasses
import inspect
from collections.abc import Callable

import tensorflow as tf

from md4keras.export import checks


@dataclasses.dataclass(frozen=True)
class Argument:
    """One input of a signature.

    Attributes:
        name: str, of the input.
        dtype: str, name of a TensorFlow type.
        shape: tuple of sizes, `None` where open.
        meaning: str, for people.
        check: function of the name and the value that returns operations which fail where the
            value is wrong; `None` where any will do.
        default: value that TensorFlow Serving fills in; `None` if it must be given.
        example: value of a small request, to warm up a server; `None` for the default.
    """

    name: str
    dtype: str
    shape: tuple
    meaning: str
    check: Callable[[str, tf.Tensor], list] | None = None
    default: object = None
    example: object = None

    @property
    def parameter(self) -> inspect.Parameter:
        """The parameter of a function, in which TensorFlow looks for name and default."""
        parameter = inspect.Parameter(self.name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        if self.default is None:
            return parameter
        return parameter.replace(default=tf.constant(self.default, self.dtype))


@dataclasses.dataclass(frozen=True)
class Signature:
    """A named function of an exported model.

    Attributes:
        meaning: str, for people.
        arguments: tuple of `Argument`, those without a default first.
        outputs: dictionary, what each output is, by name.
        answer: function of a request, a dictionary of tensors, that returns one.
    """

    meaning: str
    arguments: tuple[Argument, ...]
    outputs: dict[str, str]
    answer: Callable[[dict], dict]

    @property
    def specs(self) -> list[tf.TensorSpec]:
        """Names, types and shapes of the arguments."""
        return [tf.TensorSpec(each.shape, each.dtype, each.name) for each in self.arguments]

    def with_parameters(self, answer: Callable[[dict], dict]) -> Callable[..., dict]:
        """A function of a request as one whose parameters are the arguments."""

        def function(*values):
            names = [each.name for each in self.arguments]
            return answer(dict(zip(names, values, strict=True)))

        function.__signature__ = inspect.Signature([each.parameter for each in self.arguments])
        return function

    def function(self, traced: Callable[[], None]):
        """A `tf.function` of the arguments, checked first; calls `traced` when it is traced."""

        def answer(request):
            traced()
            checked = []
            for each in self.arguments:
                # A server does not compare what it is sent with the shapes of a signature.
                request[each.name] = tf.ensure_shape(request[each.name], each.shape)
                if each.check is not None:
                    checked += each.check(each.name, request[each.name])
            return self.answer(checks.after(checked, request))

        answer = self.with_parameters(answer)
        return tf.function(answer, input_signature=self.specs, autograph=False)
