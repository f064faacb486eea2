"""Asks a SavedModel in a process that has TensorFlow alone: `ask.py REQUESTS ANSWERS`."""

import pickle
import sys
from pathlib import Path

for name in ("keras", "md4keras", "jax", "torch"):
    sys.modules[name] = None  # importing it fails

import tensorflow as tf  # noqa: E402


def answer(function, inputs: dict):
    _, specs = function.structured_input_signature
    # What a server does: defaults come from the signature's definition.
    inputs = {name: tf.constant(value, specs[name].dtype) for name, value in inputs.items()}
    try:
        return {name: output.numpy() for name, output in function(**inputs).items()}
    except tf.errors.InvalidArgumentError as error:
        return str(error)


version, requests = pickle.loads(Path(sys.argv[1]).read_bytes())
loaded = tf.saved_model.load(version)
answers = [answer(loaded.signatures[name], inputs) for name, inputs in requests]
Path(sys.argv[2]).write_bytes(pickle.dumps(answers))
