"""What all denoising networks have in common: inputs, conditioning, features and head."""

import keras

from md4keras.layers import REMAT_MODES, ConditioningMLP, LabelEmbedding, TimeEmbedding
from md4keras.layers.validation import check_name, check_rate, check_size

TIME_FEATURES = ("t", "none")


class Network(keras.Model):
    """A functional model `{"tokens", "time", "label"} -> logits`, in two parts.

    `features` runs all but the last layer and `head` is that layer, so that a caller can compute
    the logits of only the positions that need them. A subclass builds the graph, calls
    `super().__init__`, and then sets its attributes.

    Args:
        inputs: dictionary of `keras.Input`, from `make_inputs`.
        features: symbolic tensor, what goes into the head.
        head: layer from features to logits.
        dtype: dtype policy that the layers were built with.

    Call arguments:
        inputs: dictionary with `"tokens"`, int `[B, *data_shape]`, the mask token
            (`vocabulary_size`) where masked; `"time"`, float `[B]` in `[0, 1]`, of a network with
            time; `"label"`, int `[B]`, of a network with classes.
        training: bool.

    Returns:
        float32 tensor `[B, *data_shape, vocabulary_size]`: logits, whatever the dtype policy.
    """

    def __init__(self, inputs, features, head, dtype, name=None, trainable=True):
        backbone = keras.Model(inputs, features, name="backbone")
        super().__init__(
            inputs=inputs, outputs=head(backbone(inputs)), name=name, trainable=trainable
        )
        # No attribute may be set before this point: the torch backend forbids it.
        self.dtype_policy = dtype
        self.backbone = backbone
        self.head = head

    def features(self, inputs, training=None):
        """What the head turns into logits: `network.head(network.features(inputs))`."""
        return self.backbone(inputs, training=training)

    @property
    def time_conditioned(self) -> bool:
        """Whether the network is given the time."""
        return self.time_features == "t"

    @property
    def mask_token(self) -> int:
        """The id of the mask, one past the last ordinary token."""
        return self.vocabulary_size

    def set_common(
        self, vocabulary_size, data_shape, num_layers, feature_dim, time_features, num_classes
    ):
        """Sets the attributes that every network has."""
        self.vocabulary_size = vocabulary_size
        self.data_shape = tuple(data_shape)
        self.num_layers = num_layers
        self.feature_dim = feature_dim
        self.time_features = time_features
        self.num_classes = num_classes

    def get_config(self):
        return {
            "vocabulary_size": self.vocabulary_size,
            "num_layers": self.num_layers,
            "feature_dim": self.feature_dim,
            "time_features": self.time_features,
            "num_classes": self.num_classes,
            "dropout": self.dropout,
            "label_dropout": self.label_dropout,
            "remat": self.remat,
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)


def check_arguments(
    vocabulary_size,
    num_layers,
    feature_dim,
    time_features,
    num_classes,
    dropout,
    label_dropout,
    remat,
) -> None:
    """Raises a `ValueError` where an argument that all networks share makes no sense."""
    check_size("vocabulary_size", vocabulary_size)
    check_size("num_layers", num_layers, minimum=0)
    check_size("feature_dim", feature_dim, minimum=4)
    check_name("time_features", time_features, TIME_FEATURES)
    if num_classes is not None:
        check_size("num_classes", num_classes)
    check_rate("dropout", dropout)
    check_rate("label_dropout", label_dropout)
    check_name("remat", remat, REMAT_MODES)
    if label_dropout and num_classes is None:
        raise ValueError(
            "There are no labels to drop. Expected `num_classes` along with `label_dropout`. "
            f"Received: label_dropout={label_dropout}, num_classes=None. Give the number of "
            "classes, or leave out `label_dropout`."
        )


def check_image_shape(image_shape) -> tuple[int, int, int]:
    """The shape as a tuple; a `ValueError` where it is not that of an image."""
    if not isinstance(image_shape, (tuple, list)) or len(image_shape) != 3:
        raise ValueError(
            "`image_shape` does not describe an image. Expected (height, width, channels). "
            f"Received: image_shape={image_shape!r}. Grey images have one channel: (8, 8, 1)."
        )
    for size in image_shape:
        check_size("image_shape", size)
    return tuple(image_shape)


def get_dtype_policy(dtype):
    """The dtype policy from an object, a name, a configuration, or `None` for the global one."""
    return keras.dtype_policies.get(dtype or keras.config.dtype_policy())


def make_inputs(tokens_shape, time_features, num_classes) -> dict:
    """The symbolic inputs of a network, by name."""
    inputs = {"tokens": keras.Input(tokens_shape, dtype="int32", name="tokens")}
    if time_features == "t":
        inputs["time"] = keras.Input((), dtype="float32", name="time")
    if num_classes is not None:
        inputs["label"] = keras.Input((), dtype="int32", name="label")
    return inputs


def make_conditioning(inputs: dict, feature_dim: int, num_classes, label_dropout: float):
    """The conditioning vector `[B, feature_dim]`, float32, or `None` where there is none.

    With time: an MLP of its embedding, the label's joined to it. With labels alone: the label's
    embedding itself.
    """
    label = None
    if "label" in inputs:
        embed = LabelEmbedding(num_classes, feature_dim, label_dropout, name="label_embedding")
        label = embed(inputs["label"])
    if "time" not in inputs:
        return label
    embedding = TimeEmbedding(feature_dim, name="time_embedding")(inputs["time"])
    if label is not None:
        join = keras.layers.Concatenate(dtype="float32", name="conditions")
        embedding = join([embedding, label])  # [B, 2 feature_dim]
    return ConditioningMLP(feature_dim, name="conditioning")(embedding)


def token_embedding(vocabulary_size: int, dim: int, dtype):
    """Embedding of the tokens and the mask, with variance `1 / dim` at the start."""
    return keras.layers.Embedding(
        vocabulary_size + 1,
        dim,
        embeddings_initializer=keras.initializers.RandomNormal(stddev=dim**-0.5),
        dtype=dtype,
        name="token_embedding",
    )
