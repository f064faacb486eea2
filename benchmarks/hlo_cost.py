"""The arithmetic of a compiled program with its loops multiplied out.

XLA's own `cost_analysis` counts the body of a loop once, however often it turns. Here the optimised
program is read as text, and the multiplications of matrices and convolutions in a loop's body (all
that matters there) are counted once for each further turn.
"""

import dataclasses
import math
import re

_NAME = r"%?([\w.\-]+)"
_HEADER = re.compile(rf"^(ENTRY\s+)?{_NAME}\s+\(.*\{{\s*$")
_INSTRUCTION = re.compile(rf"^\s+(?:ROOT\s+)?{_NAME} = (.*)$")
# A type is `f32[8,16]{1,0}`, or a tuple of such in brackets; then come the operation and its
# operands (which may themselves be written with their types).
_OPERATION = re.compile(r"^(\(.*?\)|\S+) ([\w\-]+)\((.*?)\)(?:, (.*))?$")
_SHAPE = re.compile(r"^\w+\[([\d,]*)\]")
_CALLED = re.compile(rf"\b(?:calls|to_apply|body|condition)={_NAME}")
_BRANCH = re.compile(rf"\b(?:true_computation|false_computation)={_NAME}")
_BRANCHES = re.compile(r"\bbranch_computations=\{(.*?)\}")
_TURNS = re.compile(r'"known_trip_count":\{"n":"(\d+)"\}')
_WINDOW = re.compile(r"\bwindow=\{(.*?)\}")
_LABELS = re.compile(r"\bdim_labels=(\w+)_(\w+)->(\w+)")


@dataclasses.dataclass(frozen=True)
class Instruction:
    """One line of a program: the shapes are empty for tuples and scalars."""

    operation: str
    shape: tuple[int, ...]
    operands: tuple[tuple[int, ...], ...]
    attributes: str

    @property
    def flops(self) -> int:
        """Floating-point operations of a `dot` or `convolution` (a multiply-add is two), or 0."""
        if self.operation == "dot":
            contracted = _numbers(self.attributes, "lhs_contracting_dims")
            return 2 * math.prod(self.shape) * math.prod(self.operands[0][i] for i in contracted)
        if self.operation == "convolution":
            return _convolution_flops(self)
        return 0

    @property
    def turns(self) -> int | None:
        """How often a `while` turns, where XLA knows."""
        found = _TURNS.search(self.attributes)
        return int(found[1]) if found else None

    @property
    def called(self) -> list[str]:
        """Names of the computations that it runs (those of a `conditional` are `branches`)."""
        return _CALLED.findall(self.attributes)

    @property
    def branches(self) -> list[str]:
        """Names of the computations of which a `conditional` runs one."""
        listed = _BRANCHES.search(self.attributes)
        names = re.findall(_NAME, listed[1]) if listed else []
        return names + _BRANCH.findall(self.attributes)


class Program:
    """An optimised program, from the text that `compiled.as_text()` gives.

    Args:
        text: str, HLO.
    """

    def __init__(self, text: str):
        self.computations, self.entry = _parse(text)

    def flops(self, turns: int, known: bool = True) -> int:
        """Operations of all matrix products and convolutions.

        Args:
            turns: int, of the loops of which XLA does not know how often they turn.
            known: bool, whether the other loops turn as often as they do, or only once.
        """
        done = {}

        def of(name):
            if name not in done:
                done[name] = sum(of_instruction(each) for each in self.computations[name])
            return done[name]

        def of_instruction(instruction):
            called = sum(map(of, instruction.called))
            if instruction.operation == "while":
                count = instruction.turns if known else 1
                called *= turns if instruction.turns is None else count
            # Of a conditional the dearest branch counts, as in XLA's own analysis.
            return instruction.flops + called + max(map(of, instruction.branches), default=0)

        return of(self.entry)

    def further_flops(self, turns: int) -> int:
        """What `cost_analysis` leaves out: the loops' turns after the first."""
        return self.flops(turns) - self.flops(1, known=False)

    def dynamic_products(self) -> list[Instruction]:
        """The matrix products in loops of which XLA does not know how often they turn."""
        found, seen = [], set()

        def collect(name):
            if name in seen:
                return
            seen.add(name)
            for each in self.computations[name]:
                if each.operation == "dot":
                    found.append(each)
                for other in each.called + each.branches:
                    collect(other)

        for instructions in self.computations.values():
            for each in instructions:
                if each.operation == "while" and each.turns is None:
                    for body in each.called:
                        collect(body)
        return found

    def chunk_rows(self, width: int, vocabulary_size: int) -> int | None:
        """How many positions' logits one turn of a dynamic loop computes, `None` for none.

        Args:
            width: int, features that the logits of a position are made from.
            vocabulary_size: int.
        """
        for product in self.dynamic_products():
            contracted = _numbers(product.attributes, "lhs_contracting_dims")
            summed = math.prod(product.operands[0][i] for i in contracted)
            if summed == width and vocabulary_size in product.shape:
                return math.prod(product.shape) // vocabulary_size
        return None


def _parse(text: str) -> tuple[dict[str, list[Instruction]], str]:
    """The instructions of each computation, and the name of the first to run."""
    computations, entry, shapes = {}, None, {}
    current = None
    for line in text.splitlines():
        if header := _HEADER.match(line):
            current, shapes = header[2], {}
            computations[current] = []
            if header[1]:
                entry = current
        elif current and (found := _INSTRUCTION.match(line)):
            name, rest = found.groups()
            operation = _OPERATION.match(re.sub(r"/\*.*?\*/", "", rest))
            if operation is None:
                continue
            shapes[name] = _shape(operation[1])
            names = re.findall(r"%([\w.\-]+)", operation[3])
            computations[current].append(
                Instruction(
                    operation[2],
                    shapes[name],
                    tuple(shapes.get(each, ()) for each in names),
                    operation[4] or "",
                )
            )
    if entry is None:
        raise ValueError(
            "The text holds no program. Expected optimised HLO with an ENTRY computation, such as "
            f"`compiled.as_text()`. Received: {text[:80]!r}"
        )
    return computations, entry


def _shape(kind: str) -> tuple[int, ...]:
    found = _SHAPE.match(kind)
    return tuple(map(int, filter(None, found[1].split(",")))) if found else ()


def _numbers(attributes: str, name: str) -> list[int]:
    found = re.search(rf"\b{name}=\{{([\d,]*)\}}", attributes)
    return [int(each) for each in found[1].split(",") if each] if found else []


def _convolution_flops(instruction: Instruction) -> int:
    """As XLA counts them: what falls on padding or between dilated entries is no arithmetic."""
    inputs, kernels, outputs = _LABELS.search(instruction.attributes).groups()
    image, kernel = instruction.operands[:2]
    window = dict(re.findall(r"(\w+)=(\S+)", _WINDOW.search(instruction.attributes)[1] + " "))
    pairs = 1
    for axis in sorted(filter(str.isdigit, inputs)):
        number = int(axis)
        low = int(window["pad"].split("x")[number].split("_")[0]) if "pad" in window else 0
        stride, spread, dilation = (
            int(window[name].split("x")[number]) if name in window else 1
            for name in ("stride", "lhs_dilate", "rhs_dilate")
        )
        size = image[inputs.index(axis)]
        places = (
            out * stride - low + tap * dilation
            for out in range(instruction.shape[outputs.index(axis)])
            for tap in range(kernel[kernels.index(axis)])
        )
        pairs *= sum(place % spread == 0 and 0 <= place // spread < size for place in places)
    groups = re.search(r"\bbatch_group_count=(\d+)", instruction.attributes)
    batch = image[inputs.index("b")] // (int(groups[1]) if groups else 1)
    return 2 * pairs * batch * kernel[kernels.index("i")] * kernel[kernels.index("o")]
