"""The process of `export_saved_model`: builds and saves a graph of plain TensorFlow operations.

These are what the stock server has; hence TensorFlow builds it, whatever backend the caller runs.
"""

import functools

import keras
import tensorflow as tf

from md4keras.export import assets, subprocesses
from md4keras.export.limits import Limits
from md4keras.export.signatures import Signatures


def build(order: dict) -> None:
    """Writes a SavedModel into the empty folder `order["target"]`."""
    model = subprocesses.load(order)
    sampler = keras.saving.deserialize_keras_object(order["sampler"], safe_mode=True)
    limits = Limits(**order["limits"])
    answers = Signatures(model, sampler, limits)
    signatures, note = answers.all(), answers.note()
    if note is not None:
        subprocesses.say(order, note)
    chosen = order["signatures"] or list(signatures)
    missing = [name for name in chosen if name not in signatures]
    if missing:
        raise ValueError(
            f"The model does not have these signatures: {missing}. Expected some of "
            f"{list(signatures)}. Received: signatures={chosen}. "
            + (note or "Strings need a model with a tokenizer of characters or bytes.")
        )
    signatures = {name: signatures[name] for name in chosen}
    root = tf.Module()
    root.weights = [variable.value for variable in model.variables]
    functions = {}
    for number, (name, signature) in enumerate(signatures.items(), 1):
        sign = f"Tracing {name} ({number} of {len(signatures)}) ..."
        functions[name] = signature.function(functools.partial(subprocesses.say, order, sign))
        # TensorFlow in Python knows defaults of functions, not of signatures.
        setattr(root, name, functions[name])
    try:
        tf.saved_model.save(root, order["target"], signatures=functions)
    except ValueError as error:  # no fault of the order
        raise RuntimeError("TensorFlow cannot trace or save the graph.") from error
    assets.write(order["target"], model, signatures, order["sampler"], limits, note)
