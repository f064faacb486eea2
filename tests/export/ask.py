"""Answers for a SavedModel in a process that has TensorFlow alone: `ask.py VERSION`.

Lists of requests come as pickles on standard input, lists of answers go to standard output. An
input `("earlier", i, name)` is that output of the `i`-th answer.
"""

import os
import pickle
import sys

for name in ("keras", "md4keras", "jax", "torch"):
    sys.modules[name] = None  # importing it fails
answers_to = os.fdopen(os.dup(1), "wb")
os.dup2(2, 1)  # what TensorFlow prints must not get among the answers

import tensorflow as tf  # noqa: E402


def answer(function, inputs: dict, earlier: list):
    _, specs = function.structured_input_signature
    values = {
        name: earlier[value[1]][value[2]] if isinstance(value, tuple) else value
        for name, value in inputs.items()
    }
    try:
        tensors = {name: tf.constant(value, specs[name].dtype) for name, value in values.items()}
        return {name: output.numpy() for name, output in function(**tensors).items()}
    except tf.errors.InvalidArgumentError as error:
        return str(error)


loaded = tf.saved_model.load(sys.argv[1])
while True:
    try:
        requests = pickle.load(sys.stdin.buffer)
    except EOFError:
        break
    answers = []
    for name, inputs in requests:
        answers.append(answer(loaded.signatures[name], inputs, answers))
    pickle.dump(answers, answers_to)
    answers_to.flush()
