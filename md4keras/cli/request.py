"""`md4keras request ADDRESS SIGNATURE name=value ...`: asks a model that is served."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from md4keras.cli.terminal import print_json, printable
from md4keras.client import DEFAULT_TIMEOUT, request

_EXAMPLE = """\
examples:
  md4keras request http://localhost:8501/v1/models/text infill_text text='["the ____ sat"]' seed=1
  md4keras request http://localhost:8501/v1/models/text generate_text num_samples=2 --json
"""


def add_verb(verbs) -> None:
    """Adds the verb to a parser's verbs."""
    parser = verbs.add_parser(
        "request",
        help="ask a model on TensorFlow Serving",
        description="Asks a model on TensorFlow Serving; prints text by lines, the rest as JSON.",
        epilog=_EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "address", help="http://HOST:8501/v1/models/NAME[/versions/N] or grpc://HOST:8500/NAME[/N]"
    )
    parser.add_argument("signature", help="what to run: generate, infill_text, score, ...")
    parser.add_argument(
        "inputs",
        nargs="*",
        metavar="name=value",
        help="an input, as JSON (4, 0.9, true, '[[1, 2]]'); what is no JSON is a string",
    )
    parser.add_argument(
        "--inputs",
        dest="file",
        metavar="FILE",
        help="inputs as a JSON object; - reads standard input",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=DEFAULT_TIMEOUT,
        metavar="S",
        help=f"seconds to wait for the answer (default: {DEFAULT_TIMEOUT:.0f})",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE.npz",
        help="write the outputs there instead of printing them",
    )
    parser.add_argument("--json", action="store_true", help="print JSON, texts too")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Sends the request and prints or writes the answer; returns the exit status."""
    # TensorFlow comes in with the messages of gRPC, and would print what it found of a GPU.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    inputs = _read_json(options.file) if options.file else {}
    inputs |= read_pairs(options.inputs)
    outputs = request(options.address, options.signature, inputs, options.timeout)
    if options.out:
        _write(outputs, options.out, options.json)
    else:
        print(as_json(outputs) if options.json else printable(show(outputs)))
    return 0


def _write(outputs: dict[str, np.ndarray], out: Path, json_too: bool) -> None:
    """Writes the arrays to a file, and prints what is in it."""
    with open(out, "wb") as file:  # a file: given a name, NumPy appends ".npz" to it
        np.savez_compressed(file, **outputs)
    found = {name: {"dtype": x.dtype.name, "shape": list(x.shape)} for name, x in outputs.items()}
    if json_too:
        print_json({"out": str(out), "outputs": found})
        return
    for name, array in found.items():
        print(f"{out}: {printable(name)} {array['dtype']} {array['shape']}")


def read_pairs(pairs: list[str]) -> dict[str, Any]:
    """Inputs from `name=value`.

    Raises:
        ValueError: if there is no `=`, or a name occurs twice.
    """
    inputs = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ValueError(
                f"Inputs are written as name=value. Received: '{pair}'. Write, for example, seed=1."
            )
        if name in inputs:
            raise ValueError(
                f"An input is given once. Received: '{name}' twice. For several values write a "
                f"list: {name}='[1, 2]'."
            )
        try:
            inputs[name] = json.loads(value)
        except (ValueError, RecursionError):
            inputs[name] = value
    return inputs


def _read_json(name: str) -> dict[str, Any]:
    text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    try:
        inputs = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"Inputs are read as JSON. Received: --inputs {name}, which is none: {error}. Write "
            '{"seed": 1}, for example.'
        ) from error
    if not isinstance(inputs, dict):
        raise ValueError(
            f"Inputs are read from a JSON object. Received: --inputs {name}, with "
            f'{type(inputs).__name__}. Write {{"seed": 1}}, for example.'
        )
    return inputs


def show(outputs: dict[str, np.ndarray]) -> str:
    """Outputs for reading: texts line by line, then the others as one JSON object.

    Example:

    >>> print(show({"text": np.array(["a cat", "a dog"]), "tokens": np.array([[1, 2], [3, 4]])}))
    a cat
    a dog
    {
      "tokens": [
        [1, 2],
        [3, 4]
      ]
    }
    """
    lines = [text for array in outputs.values() if array.dtype.kind == "U" for text in array.flat]
    others = {name: array for name, array in outputs.items() if array.dtype.kind != "U"}
    if others:
        lines.append(as_json(others))
    return "\n".join(lines)


def as_json(outputs: dict[str, np.ndarray]) -> str:
    """Outputs as one JSON object, a row of numbers or texts on a line."""
    entries = [f"  {json.dumps(name)}: {_rows(array, 2)}" for name, array in outputs.items()]
    return "{\n" + ",\n".join(entries) + "\n}"


def _rows(array: np.ndarray, indent: int) -> str:
    """JSON with one row, the last axis, on a line."""
    if array.ndim < 2 or array.size == 0:
        # Shortest digits that give the same float32; `tolist` gives those of a float64.
        number = (lambda x: float(str(x))) if array.dtype.kind == "f" else (lambda x: x.item())
        values = [number(x) for x in array.ravel()]
        return json.dumps(values if array.ndim else values[0])
    space = " " * (indent + 2)
    rows = ",\n".join(space + _rows(row, indent + 2) for row in array)
    return f"[\n{rows}\n{' ' * indent}]"
