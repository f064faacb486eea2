"""The Inception network that FID is defined by, with its own preprocessing and its own mistakes.

It is TensorFlow's of December 2015, not the Inception v3 of Keras: average pooling leaves the
border out, the last block pools by the maximum, and images are enlarged as TensorFlow 1 did it
(bilinear, without half-pixel centres and without antialiasing). The layers have the names of the
weights that torch-fidelity and pytorch-fid publish.

Reference: Szegedy et al. 2016, *Rethinking the Inception Architecture for Computer Vision*; Heusel
et al. 2017 for its use; Parmar et al. 2022, *On Aliased Resizing and Surprising Subtleties in GAN
Evaluation*, for how much the enlarging matters.
"""

import os
from typing import NamedTuple

import keras
import numpy as np
from keras import layers, ops

from md4keras.checks import check_integers, check_whole
from md4keras.evaluation.inception_weights import SOURCE, read_weights

__all__ = ["Inception", "InceptionOutputs", "load_inception"]

SIZE, CLASSES = 299, 1008
_DOT = "__"  # in the names of layers, as PyTorch takes no dot in them
_FORMAT = dict(data_format="channels_last", dtype="float32")


class InceptionOutputs(NamedTuple):
    """What the network makes of images.

    Attributes:
        features: float32 `[n, 2048]`, for FID, KID, precision and recall.
        logits: float32 `[n, 1008]`, without the bias, for the inception score.

    Example:

    >>> outputs = InceptionOutputs(np.zeros((1, 2048), "float32"), np.zeros((1, 1008), "float32"))
    >>> outputs.features.shape
    (1, 2048)
    """

    features: np.ndarray
    logits: np.ndarray


class Inception:
    """The network with its weights; `load_inception` makes one of a file.

    Args:
        weights: dictionary of arrays by torch-fidelity's names, as `read_weights` returns.

    Attributes:
        preprocessing: str, the name of what is done to images before.
    """

    preprocessing = "inception-v3-compat: TensorFlow 1 bilinear to 299, (x - 128) / 128"

    def __init__(self, weights: dict[str, np.ndarray]):
        self._network = build_network()
        set_weights(self._network, weights)

    def __call__(self, images, batch_size: int = 32) -> InceptionOutputs:
        """The features and logits of images.

        Args:
            images: uint8 `[n, height, width, 3]`, red, green and blue; for image tokens,
                `md4keras.visualization.pictures.image_colours` makes them.
            batch_size: int, images in one call of the network.

        Raises:
            ValueError: for what are no such images.
        """
        check_whole("batch_size", batch_size, mend="Use 32 or so.")
        mend = "Pass bytes in [0, 255]: image_colours(tokens, levels) makes them of tokens."
        images = check_integers(
            "images", images, ("n", "height", "width", 3), mend=mend, dtype=np.uint8
        )
        found = []
        for start in range(0, len(images), batch_size):
            part = images[start : start + batch_size]
            missing = min(batch_size, len(images)) - len(part)  # one shape is compiled
            part = np.pad(part, ((0, missing), (0, 0), (0, 0), (0, 0)))
            outputs = self._network.predict_on_batch(part.astype("float32"))
            found.append([np.asarray(each)[: len(part) - missing] for each in outputs])
        return InceptionOutputs(*map(np.concatenate, zip(*found, strict=True)))


def load_inception(path: str | os.PathLike) -> Inception:
    """The network with weights from a file on this machine.

    Args:
        path: `weights-inception-2015-12-05-6726825d.pth` of torch-fidelity's releases, or those
            arrays under the same names as `.safetensors` or `.npz`. No code in it is run.

    Raises:
        ImportError: if what reads the file is missing.
        ValueError: if there is no such file, or it is of another network.
    """
    return Inception(read_weights(path))


@keras.saving.register_keras_serializable(package="md4keras")
class EnlargeAsTensorFlow1(layers.Layer):
    """Bilinear resizing to a square, as TensorFlow 1 did it with `align_corners=False`.

    Row `i` of the result lies at `i * height / size` of the image, without the half pixel that
    others add, and nothing is smoothed where images get smaller.

    Args:
        size: int.

    Call arguments:
        images: float `[B, height, width, channels]`.

    Returns:
        float32 `[B, size, size, channels]`.
    """

    def __init__(self, size: int = SIZE, name: str | None = None):
        super().__init__(name=name, dtype="float32")
        self.size = size

    def call(self, images):
        return self._enlarged(self._enlarged(images, axis=2), axis=1)

    def _enlarged(self, images, axis: int):
        length = ops.shape(images)[axis]
        place = ops.arange(self.size, dtype="float32")
        place = place * (ops.cast(length, "float32") / float(self.size))
        low = ops.cast(ops.floor(place), "int32")
        high = ops.minimum(low + 1, length - 1)
        shape = [1, 1, 1, 1]
        shape[axis] = self.size
        part = ops.reshape(place - ops.cast(low, "float32"), shape)
        below, above = ops.take(images, low, axis=axis), ops.take(images, high, axis=axis)
        return below + (above - below) * part

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.size, self.size, input_shape[3])

    def get_config(self):
        return {"size": self.size, "name": self.name}


def build_network() -> keras.Model:
    """The network with all kernels 0: float32 `[B, height, width, 3]` in [0, 255] to two outputs.

    These are the features `[B, 2048]` and the logits `[B, 1008]`.
    """
    images = keras.Input((None, None, 3), dtype="float32")
    x = EnlargeAsTensorFlow1(SIZE)(images)  # [B, 299, 299, 3]
    x = (x - 128.0) / 128.0
    x = _convolved(x, "Conv2d_1a_3x3", 32, 3, strides=2)
    x = _convolved(x, "Conv2d_2a_3x3", 32, 3)
    x = _convolved(x, "Conv2d_2b_3x3", 64, 3, padding="same")  # [B, 147, 147, 64]
    x = _halved(x)
    x = _convolved(x, "Conv2d_3b_1x1", 80, 1)
    x = _convolved(x, "Conv2d_4a_3x3", 192, 3)
    x = _halved(x)  # [B, 35, 35, 192]
    for name, pooled in (("5b", 32), ("5c", 64), ("5d", 64)):
        x = _block_a(x, f"Mixed_{name}.", pooled)
    x = _block_b(x, "Mixed_6a.")  # [B, 17, 17, 768]
    for name, filters in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        x = _block_c(x, f"Mixed_{name}.", filters)
    x = _block_d(x, "Mixed_7a.")  # [B, 8, 8, 1280]
    x = _block_e(x, "Mixed_7b.", _averaged)
    x = _block_e(x, "Mixed_7c.", _highest)
    features = layers.GlobalAveragePooling2D(**_FORMAT)(x)  # [B, 2048]
    head = dict(use_bias=False, kernel_initializer="zeros", name="fc", dtype="float32")
    logits = layers.Dense(CLASSES, **head)(features)
    return keras.Model(images, [features, logits], name="inception_v3_compat")


def set_weights(network: keras.Model, weights: dict[str, np.ndarray]) -> None:
    """Puts arrays by torch-fidelity's names into a network of `build_network`.

    Args:
        network: the network.
        weights: arrays by name; others than the network's are left alone.

    Raises:
        ValueError: if one is missing or has another shape.
    """
    wrong, ready = [], []
    for layer in network.layers:
        arrays = []
        for name, variable in zip(_names_of(layer), layer.weights, strict=True):
            array = np.asarray(weights.get(name, np.zeros(0)))
            if isinstance(layer, layers.Conv2D) and array.ndim == 4:
                array = array.transpose(2, 3, 1, 0)  # [out, in, height, width] there
            elif isinstance(layer, layers.Dense):
                array = array.T
            arrays.append(array)
            if array.shape != tuple(variable.shape):
                wrong.append(name)
        ready.append((layer, arrays))
    if wrong:
        raise ValueError(
            "These are not the weights of FID's Inception network. Expected arrays for all of its "
            f"layers. Received: {len(weights)} arrays, of which {len(wrong)} are missing or have "
            f"another shape, such as {wrong[0]!r}. Download {SOURCE}."
        )
    for layer, arrays in ready:
        layer.set_weights(arrays)


def _names_of(layer) -> list[str]:
    """What torch-fidelity calls the layer's weights, in Keras's order."""
    kinds = ["weight"] if isinstance(layer, (layers.Conv2D, layers.Dense)) else []
    if isinstance(layer, layers.BatchNormalization):
        kinds = ["weight", "bias", "running_mean", "running_var"]
    return [f"{layer.name.replace(_DOT, '.')}.{kind}" for kind in kinds]


def _convolved(x, name: str, filters: int, kernel, strides: int = 1, padding: str = "valid"):
    name = name.replace(".", _DOT)
    kernels = dict(use_bias=False, kernel_initializer="zeros", name=f"{name}{_DOT}conv")
    x = layers.Conv2D(filters, kernel, strides, padding, **kernels, **_FORMAT)(x)
    x = layers.BatchNormalization(epsilon=1e-3, name=f"{name}{_DOT}bn", dtype="float32")(x)
    return layers.Activation("relu", dtype="float32")(x)


def _chain(x, name: str, *convolutions):
    """One after the other: `(suffix of the name, filters, kernel)` each, of unchanged size."""
    for suffix, filters, kernel in convolutions:
        x = _convolved(x, name + suffix, filters, kernel, padding="same")
    return x


def _halved(x):
    return layers.MaxPooling2D(3, 2, "valid", **_FORMAT)(x)


def _highest(x):
    return layers.MaxPooling2D(3, 1, "same", **_FORMAT)(x)


def _averaged(x):
    return layers.AveragePooling2D(3, 1, "same", **_FORMAT)(x)  # the border is not counted


def _joined(*branches):
    return layers.Concatenate(axis=-1, dtype="float32")(list(branches))


def _block_a(x, at: str, pooled: int):
    return _joined(
        _chain(x, at, ("branch1x1", 64, 1)),
        _chain(x, at, ("branch5x5_1", 48, 1), ("branch5x5_2", 64, 5)),
        _chain(
            x, at, ("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3), ("branch3x3dbl_3", 96, 3)
        ),
        _chain(_averaged(x), at, ("branch_pool", pooled, 1)),
    )


def _block_b(x, at: str):
    double = _chain(x, at, ("branch3x3dbl_1", 64, 1), ("branch3x3dbl_2", 96, 3))
    return _joined(
        _convolved(x, at + "branch3x3", 384, 3, strides=2),
        _convolved(double, at + "branch3x3dbl_3", 96, 3, strides=2),
        _halved(x),
    )


def _block_c(x, at: str, c: int):
    seven = ("branch7x7_1", c, 1), ("branch7x7_2", c, (1, 7)), ("branch7x7_3", 192, (7, 1))
    double = [("branch7x7dbl_1", c, 1)]
    double += [("branch7x7dbl_2", c, (7, 1)), ("branch7x7dbl_3", c, (1, 7))]
    double += [("branch7x7dbl_4", c, (7, 1)), ("branch7x7dbl_5", 192, (1, 7))]
    return _joined(
        _chain(x, at, ("branch1x1", 192, 1)),
        _chain(x, at, *seven),
        _chain(x, at, *double),
        _chain(_averaged(x), at, ("branch_pool", 192, 1)),
    )


def _block_d(x, at: str):
    three = _chain(x, at, ("branch3x3_1", 192, 1))
    seven = [("branch7x7x3_1", 192, 1)]
    seven += [("branch7x7x3_2", 192, (1, 7)), ("branch7x7x3_3", 192, (7, 1))]
    return _joined(
        _convolved(three, at + "branch3x3_2", 320, 3, strides=2),
        _convolved(_chain(x, at, *seven), at + "branch7x7x3_4", 192, 3, strides=2),
        _halved(x),
    )


def _block_e(x, at: str, pool):
    three = _chain(x, at, ("branch3x3_1", 384, 1))
    double = _chain(x, at, ("branch3x3dbl_1", 448, 1), ("branch3x3dbl_2", 384, 3))
    return _joined(
        _chain(x, at, ("branch1x1", 320, 1)),
        _chain(three, at, ("branch3x3_2a", 384, (1, 3))),
        _chain(three, at, ("branch3x3_2b", 384, (3, 1))),
        _chain(double, at, ("branch3x3dbl_3a", 384, (1, 3))),
        _chain(double, at, ("branch3x3dbl_3b", 384, (3, 1))),
        _chain(pool(x), at, ("branch_pool", 192, 1)),
    )
