"""What the child process of an export does: builds the graph under TensorFlow and saves it.

Reads an order from `md4keras.export.saved_model`; see `md4keras.export.child`.
"""

import itertools
import sys
from pathlib import Path

import keras
import tensorflow as tf

from md4keras import checkpoints
from md4keras.export import child, manifest, warmup
from md4keras.export.limits import Limits
from md4keras.export.signatures import Signatures


def build(order: dict) -> None:
    """Writes a SavedModel into the empty folder `order["target"]`."""

    def say(text):
        if order["verbose"]:
            print(text, flush=True)

    say("Loading the model under TensorFlow ...")
    model = checkpoints.load_model(order["model"])
    sampler = keras.saving.deserialize_keras_object(order["sampler"], safe_mode=True)
    limits = Limits(**order["limits"])
    signatures = Signatures(model, sampler, limits).all()
    chosen = order["signatures"] or list(signatures)
    missing = [name for name in chosen if name not in signatures]
    if missing:
        raise ValueError(
            f"The model does not have these signatures: {missing}. Expected some of "
            f"{list(signatures)}. (Strings need a model with a tokenizer.)"
        )
    signatures = {name: signatures[name] for name in chosen}
    number = itertools.count(1)

    def function_of(name):
        return signatures[name].function(
            lambda: say(f"Tracing {name} ({next(number)} of {len(signatures)}) ...")
        )

    target = Path(order["target"])
    root = tf.Module()
    root.weights = [variable.value for variable in model.variables]
    functions = {name: function_of(name) for name in signatures}
    try:
        tf.saved_model.save(root, str(target), signatures=functions)
    except ValueError as error:  # no fault of the order
        raise RuntimeError("TensorFlow cannot trace or save the graph.") from error
    extra = target / "assets.extra"
    extra.mkdir()
    manifest.write(extra / "manifest.json", model, order["sampler"], limits, signatures)
    warmup.write(extra / "tf_serving_warmup_requests", signatures)


if __name__ == "__main__":
    sys.exit(child.serve(build))
