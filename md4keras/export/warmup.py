"""Warm-up requests: TensorFlow Serving runs them before it answers, so that no client waits.

Reference: TensorFlow Serving, *SavedModel Warmup*.
"""

from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2


def write(path: Path, signatures: dict) -> None:
    """Writes one small request for each signature, as records of `PredictionLog`.

    Args:
        path: of the file.
        signatures: dictionary of `Signature`.
    """
    with tf.io.TFRecordWriter(str(path)) as file:
        for name, signature in signatures.items():
            request = predict_pb2.PredictRequest()
            request.model_spec.signature_name = name
            for each in signature.arguments:
                # TensorFlow Serving fills in no defaults here.
                request.inputs[each.name].CopyFrom(tf.make_tensor_proto(each.small, each.dtype))
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            file.write(log.SerializeToString())
