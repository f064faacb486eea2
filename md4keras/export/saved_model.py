"""`export_saved_model`: a SavedModel for TensorFlow Serving, from a model of any backend."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

import keras

from md4keras import samplers
from md4keras.export import subprocesses, versions
from md4keras.export.limits import Limits

SIGNATURES = (
    "serving_default",
    "denoise_step",
    "generate",
    "infill",
    "next_block",
    "block_logits",
    "score",
    "generate_text",
    "infill_text",
    "score_text",
)
"""Names of what can be exported; the last three need a tokenizer of characters or bytes, and
`generate_text` one of word pieces will do."""


def export_saved_model(
    model,
    folder: str | os.PathLike,
    sampler="ancestral",
    limits: Limits | None = None,
    signatures: Sequence[str] | None = None,
    version: int | None = None,
    verbose: bool = True,
) -> Path:
    """Writes `folder/VERSION/`, which TensorFlow Serving loads, the sampling loop included.

    The signatures take and return what the model's methods do, with the same tokens for the same
    seed (in mixed precision, where logits are rounded as the compiler likes, not always all of
    them): `serving_default` is `predict_logits`, then `generate`, `infill`, `score`, and
    `denoise_step`, one step of the reverse process; models with a tokenizer of characters or bytes
    also have `generate_text`, `infill_text` and `score_text`, with strings. With word pieces, into
    which plain operations of TensorFlow cannot cut a text, there is `generate_text` alone, and
    `assets.extra/tokenizer.json` for those who ask. (With a tokenizer of your own class there are
    tokens alone. The manifest notes what there is not, and why.)
    `assets.extra/manifest.json` in the version tells inputs, outputs, defaults and limits;
    `assets.extra/tf_serving_warmup_requests` lets the server run each once before it answers.

    Args:
        model: a `md4keras` model, or the folder of a saved one.
        folder: path; the server's model folder.
        sampler: a `Sampler` or a name, of `generate`, `infill` and `denoise_step`. Those that plan
            on the host ("event", "first_hitting") cannot be exported, nor can filters or samplers
            of your own.
        limits: what a request may ask for; `None` for the defaults of `Limits`.
        signatures: names, some of `SIGNATURES`; `None` for all that the model has. A server that
            batches requests needs `("serving_default",)`: it refuses scalar inputs.
        version: int, the name of the folder; `None` for the next free one.
        verbose: bool, whether to print what is being done.

    Returns:
        The path of the version, which appears complete or not at all.

    Raises:
        ValueError: for bad arguments, a saved model that is damaged or whose network or schedule is
            of a class that is not md4keras's, or a version that exists.
        ImportError: if TensorFlow or its serving API is not installed.
        ExportError: if TensorFlow cannot build the graph; with its reason.

    Example:

    ```python
    md4keras.export.export_saved_model(model, "served/digits")  # writes served/digits/1
    ```
    """
    folder, limits = Path(folder), Limits() if limits is None else limits
    versions.check_target(folder, version)
    if not isinstance(limits, Limits):
        raise ValueError(
            f"`limits` must be `md4keras.export.Limits(...)` or None. Received: limits={limits!r}"
        )
    order = {
        "model": model,
        "sampler": keras.saving.serialize_keras_object(_checked_sampler(sampler)),
        "limits": dataclasses.asdict(limits),
        "signatures": _checked_signatures(signatures),
        "verbose": bool(verbose),
    }
    subprocesses.check_packages(("tensorflow", "tensorflow_serving"), "tensorflow,serving")
    return subprocesses.build_version("build", folder, version, order)


def _checked_sampler(sampler):
    sampler = samplers.get(sampler)
    if sampler.plans_on_host:
        raise ValueError(
            f"{type(sampler).__name__} plans its reveals on the host, which an exported graph does "
            "not have. Expected a sampler of steps. Use 'ancestral', which has the same "
            "distribution, or 'confidence' or 'remasking'."
        )
    for each in (sampler, *sampler.filters):
        if not type(each).__module__.startswith("md4keras."):
            raise ValueError(
                "The process that builds an export knows md4keras's samplers and filters alone. "
                f"Expected those of `md4keras.samplers`. Received: {each!r}"
            )
    return sampler


def _checked_signatures(signatures) -> list[str] | None:
    if signatures is None:
        return None
    names = [signatures] if isinstance(signatures, str) else list(signatures)
    unknown = [name for name in names if name not in SIGNATURES]
    if unknown or not names or len(set(names)) != len(names):
        raise ValueError(
            f"These signatures cannot be exported. Expected some of {SIGNATURES}, each once. "
            f"Received: signatures={names!r}"
        )
    return names
