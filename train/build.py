"""From settings to a network, a model and an optimizer."""

import re

import md4keras

from . import optimizers


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
    cls = getattr(md4keras.networks, settings["network"])
    own = arguments(settings, "network")
    return _named("network", own, lambda: cls(
        vocabulary_size=vocabulary_size,
        num_classes=num_classes,
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
