"""The process of `export_denoiser`: has Keras convert the network under TensorFlow.

It is the only backend from which all three formats take our networks, with open batch and length.
"""

import sys

import keras
import tensorflow as tf

from md4keras.export import subprocesses

_MOST_BYTES = 2**31  # of a protocol buffer (ONNX) and of a flat buffer (LiteRT)


def build(order: dict) -> None:
    """Writes the file `order["target"]` in the format `order["format"]`."""
    network, format, target = subprocesses.load(order).network, order["format"], order["target"]
    check_not_quantized(network, format)
    network = in_float32(network)
    check_size(network, format)
    subprocesses.say(order, f"Converting to {format} ...")
    denoiser = keras.Model(network.input, {"logits": network.output})
    denoiser(denoiser.input)  # Keras exports to ONNX only what has been called
    # OpenVINO reports its use over the network when it is imported; without this package it has no
    # means to. An export tells nobody.
    sys.modules["openvino_telemetry"] = None
    options = {}
    if format == "litert":  # no operations that the runtime has only together with TensorFlow
        options["target_spec"] = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    try:
        denoiser.export(target, format=format, verbose=False, **options)
    except ValueError as error:  # no fault of the order
        raise RuntimeError(f"Keras cannot convert the network to {format}.") from error
    if format == "onnx":
        _name_open_sizes(target, is_text=len(network.data_shape) == 1)


def in_float32(network):
    """The network, or one like it with the same weights that computes in float32."""
    if network.dtype_policy.name == "float32":
        return network
    plain = type(network).from_config({**network.get_config(), "dtype": "float32"})
    plain.set_weights(network.get_weights())
    return plain


def check_not_quantized(network, format: str) -> None:
    """Raises a `ValueError` for weights of few bits, which each format holds in its own way."""
    mode = getattr(network, "quantization_mode_of_layers", None)
    if mode is not None:
        raise ValueError(
            f"The format {format!r} is written of networks in float32. Expected one that is not "
            f"quantized. Received: one in {mode}. Export the model from before and use the "
            "runtime's own quantization, or `export_saved_model`, which serves it as it is."
        )


def check_size(network, format: str) -> None:
    """Raises a `ValueError` where the weights do not fit into a file of the format."""
    size = 4 * network.count_params()
    if format != "openvino" and size >= _MOST_BYTES:
        raise ValueError(
            f"The network is too large for the format {format!r}, which holds 2 GB. Expected fewer "
            f"than {_MOST_BYTES} bytes of weights. Received: {size}. Use "
            "`export_saved_model`, which keeps weights apart from the graph."
        )


def _name_open_sizes(path: str, is_text: bool) -> None:
    """Calls the open sizes of an ONNX file `batch` and `length`, instead of by numbers."""
    import onnx

    model = onnx.load(path)
    for value in (*model.graph.input, *model.graph.output):
        sizes = value.type.tensor_type.shape.dim
        for size, name in zip(sizes, ("batch", "length") if is_text else ("batch",), strict=False):
            size.dim_param = name
    onnx.checker.check_model(model)
    onnx.save(model, path)
