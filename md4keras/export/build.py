"""What the child process of an export does: builds the graph under TensorFlow and saves it.

Reads an order from `md4keras.export.saved_model`; see `md4keras.export.child`.
"""

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
    functions = {}
    for number, (name, signature) in enumerate(signatures.items(), 1):
        say(f"Tracing {name} ({number} of {len(signatures)}) ...")
        functions[name] = signature.function()
        functions[name].get_concrete_function()
    say("Writing ...")
    target = Path(order["target"])
    root = tf.Module()
    root.weights = [variable.value for variable in model.variables]
    tf.saved_model.save(root, str(target), signatures=functions)
    extra = target / "assets.extra"
    extra.mkdir()
    manifest.write(extra / "manifest.json", model, order["sampler"], limits, signatures)
    warmup.write(extra / "tf_serving_warmup_requests", signatures)


if __name__ == "__main__":
    sys.exit(child.serve(build))
