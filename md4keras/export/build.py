"""The process of `export_saved_model`: builds the graph under TensorFlow and saves it.

Reads an order from `md4keras.export.saved_model`; see `md4keras.export.subprocesses`.
"""

import itertools
import sys

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
    signatures, note = answers.all(), None
    if model.tokenizer is not None and answers.text is None:
        note = (
            "Without signatures of text: only tokenizers of characters and bytes have a form as "
            "operations of TensorFlow. Ask for tokens, and encode and decode them where you ask."
        )
        subprocesses.say(order, note)
    chosen = order["signatures"] or list(signatures)
    missing = [name for name in chosen if name not in signatures]
    if missing:
        raise ValueError(
            f"The model does not have these signatures: {missing}. Expected some of "
            f"{list(signatures)}. (Strings need a model with a tokenizer of characters or bytes.)"
        )
    signatures = {name: signatures[name] for name in chosen}
    number = itertools.count(1)

    def function_of(name):
        return signatures[name].function(
            lambda: subprocesses.say(
                order, f"Tracing {name} ({next(number)} of {len(signatures)}) ..."
            )
        )

    root = tf.Module()
    root.weights = [variable.value for variable in model.variables]
    functions = {name: function_of(name) for name in signatures}
    try:
        tf.saved_model.save(root, order["target"], signatures=functions)
    except ValueError as error:  # no fault of the order
        raise RuntimeError("TensorFlow cannot trace or save the graph.") from error
    assets.write(order["target"], model, signatures, order["sampler"], limits, note)


if __name__ == "__main__":
    sys.exit(subprocesses.serve(build))
