"""The template of all denoising networks, and the arguments that they share."""

import keras
from keras import ops

from md4keras.checks import RATE, check_name, check_number, check_whole
from md4keras.layers import REMAT_MODES, ConditioningMLP, LabelEmbedding, TimeEmbedding
from md4keras.layers.base import argument_names, arguments_of
from md4keras.layers.initializers import Normal
from md4keras.layers.policies import by_path
from md4keras.networks.quantization import Quantizable
from md4keras.saving import NetworkPreset

TIME_FEATURES = ("t", "none")
_KEYWORDS = {"dtype", "name", "trainable", "quantization_config"}
LAYOUTS = {"padding_mask", "segment_ids", "blocks", "clean"}
"""Inputs that say which positions of a row belong together; a call has one of them, or none
(`"clean"` alone goes along with `"blocks"`)."""


class Network(NetworkPreset, Quantizable):
    """A functional model `{"tokens", "time", "label"} -> logits`, in two parts.

    `features` runs all but the last layer and `head` is that layer, so that a caller can compute
    the logits of only the positions that need them.

    A subclass sets its own arguments, then calls this constructor, which calls
    `make_layers(dtype)`, where all layers become attributes (the last one is `head`), and
    `connect(tokens, conditioning)`, which returns the features. A network whose
    `takes_padding_mask` is true is connected once more, `connect(tokens, conditioning,
    padding_mask)`, and may be called with this input; likewise `takes_segment_ids` and
    `connect(tokens, conditioning, segment_ids=segment_ids)`. One whose `takes_blocks` is true is
    connected with `blocks`, and with `blocks` and `clean`, when first called so.

    Args:
        vocabulary_size: int `V`, without the mask.
        data_shape: ints, the shape of an example: `(L,)` or `(H, W, C)`.
        num_layers: int.
        feature_dim: int, the size of the conditioning vector.
        time_features: `"t"` if the network is given the time, `"none"` if not.
        num_classes: int, or `None` for a network without labels.
        dropout: float in `[0, 1)`.
        label_dropout: float in `[0, 1)`, the probability of a label being replaced by the null
            label `num_classes` in training; above 0 the network has that label.
        remat: what training computes again in the backward pass instead of keeping it in memory:
            `None` (nothing), `"activations"` (norms, activations and attention weights: hardly
            more arithmetic) or `"full"` (whole blocks: a third more, the least memory).
        kwargs: `dtype` (the layers' dtype policy; `None` for the global one; a `DTypePolicyMap`
            of some layers' own, by path), `name` and `trainable`, as of any Keras model; and the
            `quantization_config` of such layers, see `quantize`.

    Call arguments:
        inputs: dictionary with `"tokens"`, int `[B, *data_shape]`, the mask token
            (`vocabulary_size`) where masked; `"time"`, float `[B]` in `[0, 1]`, of a network with
            time; `"label"`, int `[B]`, of a network with classes; and, if the network takes it and
            there is padding, `"padding_mask"`, bool like the tokens, `False` for padding; or, if
            it takes them and documents share rows, `"segment_ids"`, int like the tokens, equal
            within a document; or, if it takes them, `"blocks"`, int like the tokens, the number of
            each token's block (-1 for padding), and along with it `"clean"`, the clean tokens that
            those of later blocks see in place of `"tokens"`: see `layers.attended_by_noised`.
        training: bool.

    Returns:
        float32 tensor `[B, *data_shape, vocabulary_size]`: logits, whatever the dtype policy.

    Example:

    >>> network.data_shape, network.mask_token
    ((8,), 5)
    >>> inputs = {"tokens": np.full((2, 8), network.mask_token), "time": np.ones(2)}
    >>> tuple(network.features(inputs).shape), tuple(network(inputs).shape)
    ((2, 8, 16), (2, 8, 5))
    """

    takes_padding_mask = False
    """Whether the inputs may have a `"padding_mask"`."""

    takes_segment_ids = False
    """Whether the inputs may have `"segment_ids"`."""

    takes_blocks = False
    """Whether the inputs may have `"blocks"`, alone or with `"clean"`. Such a network also has
    `empty_cache` and `features_after`, see `networks.cached.Cached`."""

    not_taken = frozenset()
    """The arguments of this class that a network does not take."""

    config_names = ()  # set where a network is registered

    max_length = None
    """int, the longest text that the network takes, or `None` for any."""

    def __init__(
        self,
        vocabulary_size: int,
        data_shape,
        num_layers: int,
        feature_dim: int,
        time_features: str = "t",
        num_classes: int | None = None,
        dropout: float = 0.0,
        label_dropout: float = 0.0,
        remat: str | None = "activations",
        **kwargs,
    ):
        self.vocabulary_size = check_whole("vocabulary_size", vocabulary_size)
        self.data_shape = tuple(data_shape)
        self.num_layers = check_whole("num_layers", num_layers, 0)
        self.feature_dim = check_whole("feature_dim", feature_dim, 4)
        self.time_features = check_name("time_features", time_features, TIME_FEATURES)
        if num_classes is not None:
            check_whole("num_classes", num_classes)
        self.num_classes = num_classes
        self.dropout = float(check_number("dropout", dropout, RATE))
        self.label_dropout = float(check_number("label_dropout", label_dropout, RATE))
        self.remat = check_name("remat", remat, REMAT_MODES)
        if label_dropout and num_classes is None:
            raise ValueError(
                "There are no labels to drop. Expected `num_classes` along with `label_dropout`. "
                f"Received: label_dropout={label_dropout}, num_classes=None. Give the number of "
                "classes, or leave out `label_dropout`."
            )
        if unknown := sorted(kwargs.keys() - _KEYWORDS):
            raise TypeError(f"A {type(self).__name__} has no argument {unknown[0]!r}.")
        self._assemble(**kwargs)

    def _assemble(self, dtype=None, name=None, trainable=True, quantization_config=None):
        dtype = by_path(dtype or keras.config.dtype_policy())
        shape = (None,) if len(self.data_shape) == 1 else self.data_shape  # text of any length
        inputs = {"tokens": keras.Input(shape, dtype="int32", name="tokens")}
        if self.time_conditioned:
            inputs["time"] = keras.Input((), dtype="float32", name="time")
        if self.num_classes is not None:
            inputs["label"] = keras.Input((), dtype="int32", name="label")
        conditioning = self._condition(inputs, dtype)

        # === Layers ===
        self.make_layers(dtype)

        # === Functional model ===
        self.symbols = inputs, conditioning
        self.block_backbones = {}
        features = self.connect(inputs["tokens"], conditioning)
        self.backbone = keras.Model(inputs, features, name="backbone")
        if self.takes_padding_mask:
            padding_mask = keras.Input(shape, dtype="bool", name="padding_mask")
            features = self.connect(inputs["tokens"], conditioning, padding_mask)
            inputs_of = {**inputs, "padding_mask": padding_mask}
            self.masked_backbone = keras.Model(inputs_of, features, name="masked_backbone")
        if self.takes_segment_ids:
            segment_ids = keras.Input(shape, dtype="int32", name="segment_ids")
            features = self.connect(inputs["tokens"], conditioning, segment_ids=segment_ids)
            inputs_of = {**inputs, "segment_ids": segment_ids}
            self.packed_backbone = keras.Model(inputs_of, features, name="packed_backbone")
        logits = self.head(self.backbone(inputs))
        super().__init__(inputs=inputs, outputs=logits, name=name, trainable=trainable)
        self.dtype_policy = getattr(dtype, "default_policy", dtype)
        self._take_policies(dtype)
        self._take_config(quantization_config)

    def _condition(self, inputs: dict, dtype):
        """The conditioning vector `[B, feature_dim]`, float32, or `None` where there is none.

        With time: an MLP of its embedding, the label's joined to it. With labels alone: the
        label's embedding itself.
        """
        label = None
        if "label" in inputs:
            self.label_embedding = LabelEmbedding(
                self.num_classes, self.feature_dim, self.label_dropout, name="label_embedding"
            )
            label = self.label_embedding(inputs["label"])
        if "time" not in inputs:
            return label
        embedding = TimeEmbedding(self.feature_dim, name="time_embedding")(inputs["time"])
        if label is not None:
            embedding = ops.concatenate([embedding, label], axis=-1)  # [B, 2 feature_dim]
        self.conditioning_mlp = ConditioningMLP(self.feature_dim, dtype=dtype, name="conditioning")
        return self.conditioning_mlp(embedding)

    def make_layers(self, dtype) -> None:
        """Sets the layers as attributes, among them `head`, from features to logits."""
        raise NotImplementedError

    def connect(self, tokens, conditioning):
        """The features, a symbolic tensor, of symbolic inputs (`conditioning` may be `None`)."""
        raise NotImplementedError

    def make_token_embedding(self, dim: int, dtype):
        """Embedding of the tokens and the mask, with variance `1 / dim` at the start."""
        initializer = Normal(stddev=dim**-0.5)
        return keras.layers.Embedding(
            self.vocabulary_size + 1, dim, initializer, dtype=dtype, name="token_embedding"
        )

    def __setattr__(self, name, value):
        # Attributes are set before Keras's constructor has run, as plain ones: PyTorch forbids
        # layers then, and all layers are tracked as parts of the graph, in its order.
        if "_tracker" in self.__dict__:
            super().__setattr__(name, value)
        else:
            object.__setattr__(self, name, value)

    def call(self, inputs, training=None):
        return self.head(self.features(inputs, training))

    def features(self, inputs, training=None):
        """What the head turns into logits: `network.head(network.features(inputs))`."""
        names = set(inputs) & LAYOUTS if isinstance(inputs, dict) else set()
        if not names:
            return self.backbone(inputs, training=training)
        if names == {"padding_mask"} and self.takes_padding_mask:
            return self.masked_backbone(inputs, training=training)
        if names == {"segment_ids"} and self.takes_segment_ids:
            return self.packed_backbone(inputs, training=training)
        if "blocks" in names and names <= {"blocks", "clean"} and self.takes_blocks:
            return self._block_backbone("clean" in names)(inputs, training=training)
        taken = [name for name in sorted(LAYOUTS) if getattr(self, f"takes_{name}", False)]
        more = f", and one of {taken}" if taken else ""
        unknown = " and ".join(f"'{name}'" for name in sorted(names - set(taken)) or sorted(names))
        raise ValueError(
            f"A {type(self).__name__} does not know these inputs. Expected inputs among "
            f"{[*self.input]}{more}. Received: {[*inputs]}. Leave out {unknown}."
        )

    def _block_backbone(self, two_streams: bool):
        """The features of text in blocks, as a functional model, made when it is first needed."""
        if two_streams not in self.block_backbones:
            inputs, conditioning = self.symbols
            names = ("blocks", "clean") if two_streams else ("blocks",)
            layout = {name: keras.Input((None,), dtype="int32", name=name) for name in names}
            features = self.connect(inputs["tokens"], conditioning, **layout)
            self.block_backbones[two_streams] = keras.Model({**inputs, **layout}, features)
        return self.block_backbones[two_streams]

    def summary(
        self,
        line_length=None,
        positions=None,
        print_fn=None,
        expand_nested=True,
        show_trainable=False,
        layer_range=None,
    ):
        """As `keras.Model.summary`, by default with the layers of the nested model `backbone`."""
        shown = (print_fn, expand_nested, show_trainable, layer_range)
        super().summary(line_length, positions, *shown)

    def compute_output_spec(self, inputs, training=None):
        shape = (*inputs["tokens"].shape, self.vocabulary_size)
        return keras.KerasTensor(shape, dtype="float32")

    @property
    def time_conditioned(self) -> bool:
        """Whether the network is given the time."""
        return self.time_features == "t"

    @property
    def conditioned(self) -> bool:
        """Whether there is a conditioning vector: of time, label or both."""
        return self.time_conditioned or self.num_classes is not None

    @property
    def mask_token(self) -> int:
        """The id of the mask, one past the last ordinary token."""
        return self.vocabulary_size

    def get_config(self):
        shared = [name for name in argument_names(Network) if name != "data_shape"]
        return {
            **arguments_of(self, (*shared, *self.config_names)),
            "name": self.name,
            "trainable": self.trainable,
            **self._policy_config(),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)
