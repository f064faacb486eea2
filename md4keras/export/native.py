"""`export_native`: a SavedModel that holds the program JAX makes of the denoiser."""

import os
from pathlib import Path

from md4keras.export import subprocesses, versions


def export_native(
    model, folder: str | os.PathLike, version: int | None = None, verbose: bool = True
) -> Path:
    """Writes `folder/VERSION/` with JAX's own program of `predict_logits`.

    The one signature is `serving_default`, with the inputs and the output of that which
    `export_saved_model` writes, open batch and length included, and the dtype policy of the model.
    XLA compiles it for each new shape, on the CPU or a CUDA GPU: the first request of a shape
    waits for seconds. It has no sampling loop, no `generate`, `infill` or `score`, and no limits:
    a token or label out of range gives whatever XLA makes of it.

    Args:
        model: a `md4keras` model, or the folder of a saved one.
        folder: path; the server's model folder.
        version: int, the name of the folder; `None` for the next free one.
        verbose: bool, whether to print what is being done.

    Returns:
        The path of the version, which appears complete or not at all.

    Raises:
        ValueError: for bad arguments, a saved model that is damaged, or a version that exists.
        ImportError: if TensorFlow, its serving API or JAX is not installed.
        ExportError: if the conversion fails; with its reason.

    Example:

    ```python
    md4keras.export.export_native(model, "served/digits")  # writes served/digits/1
    ```
    """
    folder = Path(folder)
    versions.check_target(folder, version)
    subprocesses.check_packages(
        ("tensorflow", "tensorflow_serving", "jax"), "tensorflow,serving,jax"
    )
    order = {"model": model, "verbose": bool(verbose)}
    return subprocesses.build_version("build_native", folder, version, order, backend="jax")
