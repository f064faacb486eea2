"""`export_denoiser`: the network alone as a file for ONNX Runtime, OpenVINO or LiteRT."""

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from md4keras.checks import check_name
from md4keras.export import subprocesses, versions


class _Format(NamedTuple):
    """The needs of a format: the file's suffix, that of one beside it, and modules to convert."""

    suffix: str
    beside: str | None
    modules: tuple[str, ...]


_FORMATS = {
    "onnx": _Format(".onnx", None, ("tensorflow", "onnx", "tf2onnx")),
    "openvino": _Format(".xml", ".bin", ("tensorflow", "openvino")),
    "litert": _Format(".tflite", None, ("tensorflow",)),
}

FORMATS = tuple(_FORMATS)
"""The names of the formats."""


def export_denoiser(
    model, path: str | os.PathLike, format: str | None = None, verbose: bool = True
) -> Path:
    """Writes the denoiser, `model.predict_logits`, as a file that another runtime loads.

    The inputs are the network's: `tokens`, int32 `[B, *data_shape]`, the mask token (the size `V`
    of the vocabulary) where masked; `time`, float32 `[B]`, of a network with time; `label`, int32
    `[B]`, of a network with classes. The output `logits` is float32 `[B, *data_shape, V]`. The
    batch is open, and so is the length of a text; images have the size that they were trained at.

    The file computes in float32, also where the model was trained in mixed precision. It holds
    neither the reverse process nor checks: a token or label out of range gives whatever the
    runtime makes of it. `export_saved_model` has both.

    Args:
        model: a `md4keras` model, or the folder of a saved one.
        path: the file to write, one that is there being replaced: `.onnx` for ONNX, `.xml` for
            OpenVINO, which puts the weights into a `.bin` beside it, `.tflite` for LiteRT.
        format: `"onnx"`, `"openvino"` or `"litert"`; `None` for what the suffix tells.
        verbose: bool, whether to print what is being done.

    Returns:
        The path, where the whole export appears or nothing does.

    Raises:
        ValueError: for an unknown format, a path that does not suit it, a saved model that is
            damaged, or one that is too large for the format (ONNX and LiteRT hold 2 GB).
        PermissionError: if the file cannot be written.
        ImportError: if a package that converts is not installed.
        ExportError: if the conversion fails; with its reason.

    Example:

    ```python
    md4keras.export.export_denoiser(model, "exported/digits.onnx")
    session = onnxruntime.InferenceSession("exported/digits.onnx")
    (logits,) = session.run(None, {"tokens": zt, "time": time})
    ```
    """
    path = Path(path)
    format = _checked_format(format, path)
    if path.is_dir():
        raise ValueError(
            f"The denoiser is written into a file, but '{path}' is a folder. Expected the name of "
            "a file. Name another one."
        )
    place, needs = versions.check_place(path.parent), _FORMATS[format]
    subprocesses.check_packages(needs.modules, "tensorflow,runtimes")
    with (
        tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=place) as staging,
        subprocesses.saved(model) as source,
    ):
        staged = Path(staging).resolve() / path.name
        order = {"model": source, "target": str(staged), "format": format, "verbose": bool(verbose)}
        subprocesses.run("build_denoiser", order)
        path.parent.mkdir(parents=True, exist_ok=True)
        if needs.beside is not None:  # of a pair, never one with another export's other
            path.unlink(missing_ok=True)
            os.replace(staged.with_suffix(needs.beside), path.with_suffix(needs.beside))
        os.replace(staged, path)
    subprocesses.say(order, f"Exported to {path}")
    return path


def _checked_format(format, path: Path) -> str:
    suffixes = {name: each.suffix for name, each in _FORMATS.items()}
    if format is None:
        for name, suffix in suffixes.items():
            if path.suffix == suffix:
                return name
        raise ValueError(
            f"The file's name tells no format. Expected one of {suffixes}. Received: "
            f"path='{path}'. Change the suffix, or give `format` too to see what it wants."
        )
    check_name("format", format, FORMATS, "For TensorFlow Serving use `export_saved_model`.")
    suffix = suffixes[format]
    if path.suffix != suffix:
        raise ValueError(
            f"The file's name does not suit the format. Expected one that ends with '{suffix}'. "
            f"Received: path='{path}', format={format!r}. Use "
            f"'{path.with_suffix(suffix) if path.name else 'model' + suffix}'."
        )
    return format
