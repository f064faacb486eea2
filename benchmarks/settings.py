"""The published settings that are measured, at the batch sizes that they are measured at.

With each: what one training step of the published implementation takes, compiled and analysed in
the same way as ours, and the most that ours may take.
"""

import dataclasses
import math
from collections.abc import Callable

import md4keras
from md4keras.checks import Interval, check_name, check_number
from train import build, cifar10, openwebtext, text8

VARIANTS = {
    "dense": "the definition of the loss, all logits at once, nothing recomputed: the baseline",
    "activations": "attention weights, norms and activations recomputed, logits in chunks",
    "full": "whole blocks recomputed, logits in chunks",
}
SAMPLERS = {
    "ancestral": "a call of the network at every step, logits of all positions: the baseline",
    "event": "the logits of the positions alone that the step reveals",
}


@dataclasses.dataclass(frozen=True)
class Cost:
    """What a compiled program takes.

    Attributes:
        temporary_gb: float, gigabytes (1e9 bytes) of memory besides arguments and results.
        gflop: float, floating-point operations in 1e9.
    """

    temporary_gb: float
    gflop: float


@dataclasses.dataclass(frozen=True)
class Setting:
    """A model and the batch of one step.

    Attributes:
        model: str, the name of a model of `md4keras`.
        network: str, the name of one of `md4keras.networks`.
        arguments: dict, the network's arguments.
        batch_size: int, examples in a step: fewer than the published ones, which need accelerators.
        optimizer: function that returns the published optimizer; `None` where nothing is trained.
        published: the `Cost` of the published implementation's step, or `None`.
        limits: dictionary of the most that variants may take, as `Cost`.
        model_arguments: dict, of the model besides its network.
    """

    model: str
    network: str
    arguments: dict
    batch_size: int
    optimizer: Callable | None = None
    published: Cost | None = None
    limits: dict[str, Cost] = dataclasses.field(default_factory=dict)
    model_arguments: dict = dataclasses.field(default_factory=dict)

    @property
    def data_shape(self) -> tuple[int, ...]:
        """The shape of one example's tokens."""
        return self.arguments.get("image_shape") or (self.arguments["sequence_length"],)

    @property
    def width(self) -> int:
        """Features of a position, from which the head makes its logits."""
        if "hidden_dim" in self.arguments:
            return self.arguments["hidden_dim"]
        return self.arguments.get("num_heads", 1) * self.arguments["feature_dim"]

    @property
    def tokens(self) -> int:
        """Tokens in a step."""
        return self.batch_size * math.prod(self.data_shape)

    def scaled(self, scale: float) -> "Setting":
        """The same with `scale` times as many layers, at least one.

        Raises:
            ValueError: unless the scale is in (0, 1].
        """
        mend = "It is the part of the layers that is kept; 1 measures the published setting."
        check_number("scale", scale, Interval(0, 1, with_low=False), mend)
        layers = max(1, round(scale * self.arguments["num_layers"]))
        return dataclasses.replace(self, arguments={**self.arguments, "num_layers": layers})

    def build(self, variant: str = "activations", **arguments):
        """The untrained model, compiled with the setting's optimizer if it has one.

        Args:
            variant: str, one of `VARIANTS`.
            arguments: of the network, in place of the setting's.
        """
        check_name("variant", variant, VARIANTS)
        remat = None if variant == "dense" else variant
        network = getattr(md4keras.networks, self.network)(
            **{**self.arguments, "remat": remat, **arguments}
        )
        model = getattr(md4keras, self.model)(network, seed=0, **self.model_arguments)
        model.dense_loss = variant == "dense"
        if self.optimizer is not None:
            model.compile(self.optimizer())
            model.optimizer.build(model.trainable_variables)
        return model


def recipe_optimizer(recipe):
    """The function that makes a recipe's optimizer for all of its steps."""
    return lambda: build.optimizer(recipe.complete())


def recipe_network(recipe, vocabulary_size: int) -> dict:
    """The arguments of a recipe's network."""
    settings = recipe.complete()
    sizes = {n: settings[n] for n in ("sequence_length", "image_shape") if n in settings}
    sizes = {name: tuple(v) if isinstance(v, list) else v for name, v in sizes.items()}
    own = build.arguments(settings, "network")
    return {"vocabulary_size": vocabulary_size, **sizes, **own}


MD4_S = recipe_network(openwebtext.RECIPE, 50257)
SAMPLING_STEPS = openwebtext.RECIPE.settings["sampling.num_steps"]
TIME_GRID = openwebtext.RECIPE.complete()["sampling.time_grid"]
TRAINING = {
    "md4_owt": Setting(
        "MD4",
        "Transformer",
        MD4_S,
        batch_size=4,
        optimizer=recipe_optimizer(openwebtext.RECIPE),
        published=Cost(14.50, 3559),
        limits={"activations": Cost(4.5, 3300), "full": Cost(3.0, 4000)},
    ),
    "genmd4_owt": Setting(
        "GenMD4",
        "Transformer",
        recipe_network(openwebtext.GENMD4, 50259),
        batch_size=4,
        optimizer=recipe_optimizer(openwebtext.GENMD4),
        published=Cost(30.19, 7124),
        limits={"activations": Cost(6.5, 6700)},
    ),
    "text8": Setting(
        "MD4",
        "Transformer",
        recipe_network(text8.RECIPE, 27),
        batch_size=32,
        optimizer=recipe_optimizer(text8.RECIPE),
        published=Cost(10.88, 4446),
        limits={"activations": Cost(6.0, 4600)},
    ),
    "cifar10": Setting(
        "MD4",
        "UNet",
        recipe_network(cifar10.RECIPE, 256),
        batch_size=8,
        optimizer=recipe_optimizer(cifar10.RECIPE),
        published=Cost(2.99, 1306),
        limits={"activations": Cost(2.6, 1306)},
    ),
}
SAMPLING_STEP = Setting(
    "MD4",
    "Transformer",
    MD4_S,
    batch_size=1,
    published=Cost(1.03, 296),
    limits={"event": Cost(0.4, 222)},
)
SETTINGS = {**TRAINING, "sampling_step": SAMPLING_STEP}


def get(name: str, tiny: bool = False) -> Setting:
    """A setting by its name.

    Args:
        name: str, one of `SETTINGS`.
        tiny: bool, the same kind of model at a size that compiles in seconds, for trying out.

    Raises:
        ValueError: for an unknown name.
    """
    check_name("setting", name, SETTINGS)
    setting = SETTINGS[name]
    if not tiny:
        return setting
    if setting.network == "UNet":
        small = dict(vocabulary_size=9, image_shape=(4, 4, 1), num_layers=1, feature_dim=64)
    else:
        small = dict(
            vocabulary_size=40, sequence_length=16, num_layers=1, num_heads=2, feature_dim=8
        )
    return dataclasses.replace(
        setting,
        arguments={**setting.arguments, **small},
        batch_size=min(2, setting.batch_size),
        published=None,
        limits={},
    )


def step_variables(model) -> tuple[list, ...]:
    """The variables whose values JAX's `train_step` takes as its state, in its order."""
    return (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )
