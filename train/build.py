"""From settings to a network, a model and an optimizer."""

import re

import md4keras
from md4keras.weights_file import asked_by

from . import optimizers

MOST_PARAMETERS = 2**34
"""More do not fit into any machine that a recipe runs on."""


def check(settings: dict) -> None:
    """Builds the optimizer, and the model without its numbers: before data are read, in a moment.

    The values of the data and their classes are not known yet: any number of them will do.

    Raises:
        ValueError: if the settings are none of a model, or of one that is too large.
    """
    optimizer(settings)
    values, classes = settings.get("levels", 27), 2 if settings.get("labels") else None
    (_, count), _ = asked_by(lambda: model(settings, values, classes))
    if count > MOST_PARAMETERS:
        raise ValueError(
            f"The model is too large. Expected at most {MOST_PARAMETERS:,} parameters. Received: "
            f"settings that need {count:,}. Use fewer layers, or a smaller network.feature_dim."
        )


def arguments(settings: dict, part: str) -> dict:
    """The settings of a part, by the names of its arguments."""
    prefix = f"{part}."
    found = {
        name.removeprefix(prefix): value
        for name, value in settings.items()
        if name.startswith(prefix)
    }
    return {n: tuple(v) if isinstance(v, list) else v for n, v in found.items()}


def network(settings: dict, vocabulary_size: int, num_classes: int | None = None):
    """The network for data of so many values and classes."""
    if "image_shape" in settings:
        sizes = {"image_shape": tuple(settings["image_shape"])}
    else:
        sizes = {"sequence_length": settings["sequence_length"]}
    if num_classes is not None:
        sizes["num_classes"] = num_classes
    cls = getattr(md4keras.networks, settings["network"])
    own = arguments(settings, "network")
    return _named("network", own, lambda: cls(
        vocabulary_size=vocabulary_size,
        dtype=settings["precision"],
        **sizes,
        **own,
    ))  # fmt: skip


def model(settings: dict, vocabulary_size: int, num_classes: int | None = None):
    """The model, not yet compiled."""
    built = network(settings, vocabulary_size, num_classes)
    own = arguments(settings, "model")
    return _named("model", own, lambda: getattr(md4keras, settings["model"])(built, **own))


def optimizer(settings: dict, extensions: tuple = ()):
    """The optimizer for all steps of a run, those of its extensions included."""
    own = arguments(settings, "optimizer")
    make = getattr(optimizers, settings["optimizer"])
    return _named(
        "optimizer", own, lambda: make(settings["steps"], **own, extensions=tuple(extensions))
    )


def _named(part: str, own: dict, make):
    """What `make` returns; its complaints name settings in place of arguments."""
    try:
        return make()
    except (ValueError, TypeError) as error:
        message = str(error)
        for name in own:
            message = re.sub(rf"(?<![\w.]){name}(?=[=`])", f"{part}.{name}", message)
        raise ValueError(message) from error
