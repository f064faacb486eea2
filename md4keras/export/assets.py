"""Files beside the graph of a SavedModel, in `assets.extra`: what can be asked, and a warm-up.

Reference: TensorFlow Serving, *SavedModel Warmup*.
"""

import dataclasses
from pathlib import Path

import keras
import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from md4keras.files import write_json
from md4keras.tokenizers import BytePairTokenizer
from md4keras.version import __version__


def write(
    target: str, model, signatures: dict, sampler: dict | None = None, limits=None, note=None
) -> None:
    """Writes the manifest, JSON for people, and the requests that warm up a server.

    The sampler is its configuration; without limits nothing is checked; a note is a sentence. With
    word pieces their `tokenizer.json` lies beside, for those who ask.
    """
    extra = Path(target) / "assets.extra"
    extra.mkdir()
    network = model.network
    content = {
        "md4keras_version": __version__,
        "keras_version": keras.version(),
        "model": {
            "kind": type(model).__name__,
            "network": type(network).__name__,
            "data_shape": list(network.data_shape),
            "vocabulary_size": network.vocabulary_size,
            "mask_token": model.mask_token,
            "num_classes": network.num_classes,
        },
    }
    if sampler is not None:
        content["sampler"] = {"name": sampler["class_name"], **sampler["config"]}
    if limits is not None:
        content["limits"] = dataclasses.asdict(limits)
        length = content["limits"].pop("length")
        if len(network.data_shape) == 1:
            content["limits"]["length"] = length or network.data_shape[0]
    if note is not None:
        content["note"] = note
    content["signatures"] = {name: _described(each) for name, each in signatures.items()}
    write_json(content, extra / "manifest.json")
    if isinstance(model.tokenizer, BytePairTokenizer):
        model.tokenizer.save(extra / "tokenizer.json")
    with tf.io.TFRecordWriter(str(extra / "tf_serving_warmup_requests")) as file:
        for name, signature in signatures.items():
            file.write(_small_request(name, signature).SerializeToString())


def _described(signature) -> dict:
    inputs = {}
    for each in signature.arguments:
        default = {} if each.default is None else {"default": each.default}
        known = {"dtype": each.dtype, "shape": list(each.shape), "meaning": each.meaning}
        inputs[each.name] = known | default
    return {"meaning": signature.meaning, "inputs": inputs, "outputs": signature.outputs}


def _small_request(name: str, signature):
    """A `PredictionLog`; the server runs it before it answers, so that no client waits."""
    request = predict_pb2.PredictRequest(model_spec={"signature_name": name})
    for each in signature.arguments:  # defaults too: the server fills in none here
        value = each.default if each.example is None else each.example
        request.inputs[each.name].CopyFrom(tf.make_tensor_proto(value, each.dtype))
    log = prediction_log_pb2.PredictLog(request=request)
    return prediction_log_pb2.PredictionLog(predict_log=log)
