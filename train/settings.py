"""Settings: names and values of what `--set` can change, the same as a recipe's own."""

import ast
import difflib
import inspect
import math
import re
import typing
from pathlib import Path

import md4keras
from md4keras.checks import check_name, check_sizes, check_whole, is_number, is_whole

from . import optimizers

PRECISIONS = ("float32", "mixed_bfloat16", "bfloat16")
TOKENIZERS = ("fit", "word_pieces", "text8", "bytes")
ROWS = ("auto", "windows", "joined", "packed", "padded", "pairs")
NETWORKS_OF = {"text": ("Transformer", "DiT", "Llama"), "image": ("UNet", "UViT")}
PARTS = {
    "network": {
        name: getattr(md4keras.networks, name) for names in NETWORKS_OF.values() for name in names
    },
    "model": {"MD4": md4keras.MD4, "GenMD4": md4keras.GenMD4},
    "optimizer": {name: getattr(optimizers, name) for name in ("adamw", "clipped_adamw", "muon")},
}
_FROM_ELSEWHERE = {  # arguments of the parts that other settings, or the data, decide
    "vocabulary_size", "data_shape", "sequence_length", "image_shape", "num_classes",
    "network", "seed", "steps", "extensions",
}  # fmt: skip
# Whole numbers: the least, the most, and one to suggest. `--set` and the flags share them.
RANGES = {
    "steps": (1, 2**31 - 1, 1000),
    "batch_size": (1, 2**20, 64),
    "micro_batches": (1, 2**10, 4),
    "interval": (1, 2**31 - 1, 100),
    "checkpoint.every": (1, 2**31 - 1, 1000),
    "checkpoint.keep_last": (1, 1000, 2),
    "checkpoint.keep_every": (1, 2**31 - 1, 10_000),
    "max_skipped_steps": (1, 2**31 - 1, 100),
    "seed": (0, 2**32 - 1, 0),
    "sequence_length": (1, 2**20, 256),
    "levels": (2, 256, 256),
    "vocabulary_size": (257, 2**20, 8192),
    "spare_tokens": (0, 1000, 2),
    "lora.rank": (1, 2**12, 8),
    "max_ends": (1, 2**20, 1),
    "sampling.num_steps": (1, 2**20, 64),
    "network.num_layers": (0, 1000, 4),
    "network.num_dit_layers": (0, 1000, 4),
    "network.num_heads": (1, 1000, 4),
    "network.feature_dim": (1, 2**16, 64),
    "network.hidden_dim": (1, 2**16, 256),
    "network.intermediate_dim": (1, 2**16, 1024),
}
_MAY_BE_NONE = {
    "lora.rank",
    "lora.quantize",
    "max_ends",
    "checkpoint.every",
    "checkpoint.keep_every",
    "max_skipped_steps",
}
_MOST_PIXELS = 2**24  # of all channels
_NAMES = {
    "precision": PRECISIONS,
    "rows": ROWS,
    "long": md4keras.data.rows.LONG,
    "sampling.time_grid": ("cosine", "uniform"),
    "lora.quantize": (None, "int8", "int4"),
    **{part: tuple(choices) for part, choices in PARTS.items()},
}
CHECKPOINT = ("checkpoint.every", "checkpoint.keep_last", "checkpoint.keep_every")
_COMMON = ("steps", "batch_size", "micro_batches", "interval", *CHECKPOINT, "max_skipped_steps")
_COMMON += ("seed", "precision", "lora.rank", "lora.quantize")
SAMPLING = ("sampling.sampler", "sampling.num_steps", "sampling.time_grid")
OF_KIND = {
    "text": (
        "sequence_length",
        "rows",
        "long",
        "max_ends",
        "tokenizer",
        "vocabulary_size",
        "spare_tokens",
    ),  # fmt: skip
    "image": ("image_shape", "levels", "labels"),
}
_DEFAULTS = {
    "seed": 0,
    "micro_batches": 1,
    "checkpoint.every": None,
    "checkpoint.keep_last": 2,
    "checkpoint.keep_every": None,
    "max_skipped_steps": 100,
    "precision": "float32",
    "lora.rank": None,
    "lora.quantize": None,
    "model": "MD4",
    "rows": "auto",
    "long": "split",
    "max_ends": None,
    "tokenizer": "fit",
    "vocabulary_size": 8192,
    "spare_tokens": 0,
    "labels": True,
    "sampling.sampler": "ancestral",
    "sampling.num_steps": 64,
    "sampling.time_grid": "cosine",
}


def complete(kind: str, own: dict, changes: dict) -> dict:
    """All settings of a run, by name, as JSON holds them.

    Args:
        kind: `"text"` or `"image"`.
        own: dict, the recipe's settings; those of a part that was exchanged for another one count
            where that has them too.
        changes: dict of settings that go before them.

    Raises:
        ValueError: for an unknown name, a value of the wrong type, or one that is missing.
    """
    chosen = {**_DEFAULTS, **own, **changes}
    for part in PARTS:
        check_value(part, chosen.get(part))
    check_name("network", chosen["network"], NETWORKS_OF[kind], f"It is for data of {kind}.")
    arguments = {
        f"{part}.{name}": parameter
        for part, choices in PARTS.items()
        for name, parameter in parameters(choices[chosen[part]]).items()
    }
    known = [*_COMMON, *OF_KIND[kind], *PARTS, *arguments, *SAMPLING]
    exchanged = [part for part in PARTS if part in changes and changes[part] != own.get(part)]
    for name in [*changes, *(name for name in own if name.split(".")[0] not in exchanged)]:
        check_known(name, known)
    settings = {}
    for name in known:
        default = arguments[name].default if name in arguments else None
        value = chosen.get(name, default)
        if value is inspect.Parameter.empty:
            owner = chosen[name.split(".")[0]]
            raise ValueError(
                f"`{name}` has no value yet. Expected one, since {owner} needs it. Received: "
                f"none. Add it: --set {name}=..."
            )
        settings[name] = check_value(name, value, arguments.get(name))
    return settings


def parameters(part) -> dict[str, inspect.Parameter]:
    """The arguments of a network, model or optimizer that are settings, by name."""
    classes = part.__mro__ if inspect.isclass(part) else ()
    classes = [each for each in classes if "__init__" in vars(each)]
    ours = [each.__init__ for each in classes if each.__module__.startswith("md4keras.")]
    not_taken = {"self", *_FROM_ELSEWHERE, *getattr(part, "not_taken", ())}
    found = {}
    for function in ours or [part]:
        for name, parameter in inspect.signature(function).parameters.items():
            usual = parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
            if usual and name not in not_taken:
                found.setdefault(name, parameter)
    return found


def check_known(name: str, known: list[str]) -> None:
    """Raises a `ValueError` with the nearest and all known names, if the name is none of them."""
    if name in known:
        return
    if name.rpartition(".")[2] in _FROM_ELSEWHERE:
        bare = name.rpartition(".")[2]
        # How many pieces are made is a setting, but what the network has follows from them.
        own = bare in known and bare != "vocabulary_size"
        hint = f"set `{bare}`" if own else "it follows from the data"
        raise ValueError(
            f"`{name}` is no setting of its own. Expected one of: {', '.join(known)}. "
            f"Received: {name}. Leave it out: {hint}."
        )
    same = [each for each in known if each.rpartition(".")[2] == name]
    near = same or difflib.get_close_matches(name, known, 1, 0.5)
    raise ValueError(
        f"Unknown setting. Expected one of: {', '.join(known)}. Received: {name}. "
        + (f"Did you mean {near[0]}?" if near else "Choose one of the known names.")
    )


def read_pairs(pairs: list[str]) -> dict:
    """Settings from `name=value`; values are written as in Python, names without quotes.

    >>> read_pairs(["network.num_layers=6", "image_shape=32,32,3", "model=GenMD4"])
    {'network.num_layers': 6, 'image_shape': (32, 32, 3), 'model': 'GenMD4'}
    """
    settings = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        name, text = name.strip(), text.strip()
        if not (equals and name and text):
            raise ValueError(
                f"Settings are written as name=value. Received: {pair!r}. Write, for example, "
                "--set network.num_layers=6."
            )
        if name in settings:
            raise ValueError(
                f"A setting is given once. Received: {name} twice, as {settings[name]!r} and "
                f"{text!r}. Leave one out."
            )
        settings[name] = _value(text)
    return settings


def _value(text: str):
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    if len(text) > 200:
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return text
    plain = value if isinstance(value, (list, tuple)) else [value]
    return value if all(isinstance(each, (int, float, str)) for each in plain) else text


def check_value(name: str, value, parameter: inspect.Parameter | None = None):
    """The value of a setting, as JSON holds it, if it has the right type; else a `ValueError`."""
    if isinstance(value, float) and value.is_integer() and not _takes(parameter, float):
        value = int(value)  # 1e6 steps
    if name in _NAMES:
        return check_name(name, value, _NAMES[name])
    if name in _MAY_BE_NONE and value is None:
        return None
    if name in RANGES:
        least, most, good = RANGES[name]
        return check_whole(name, value, least, most, f"Use {good}, for instance.")
    if name == "image_shape":
        return _image_shape(value)
    if name == "sampling.sampler":
        return _sampler(value)
    if name == "tokenizer":
        return _tokenizer(value)
    if name == "labels":
        return _typed(name, value, (bool,))
    if parameter is None:
        raise ValueError(f"`{name}` is no setting. Received: {name}={value!r}.")
    if isinstance(parameter.default, tuple):
        return _multiples(name, value if isinstance(value, (list, tuple)) else (value,))
    return _typed(name, value, _types(parameter))


def _image_shape(value) -> list[int]:
    mend = "Write image_shape=32,32,3 for colour, 28,28,1 for grey."
    shape = check_sizes("image_shape", value, 3, mend)
    if max(shape) > 8192 or shape[2] not in (1, 3) or math.prod(shape) > _MOST_PIXELS:
        raise ValueError(
            "`image_shape` cannot be used. Expected height and width up to 8192, 1 or 3 channels, "
            f"and {_MOST_PIXELS} numbers at most. Received: image_shape={value!r}. {mend}"
        )
    return list(shape)


def _multiples(name: str, value) -> list[int]:
    mend = f"Write {name}=1,2,4, for instance."
    sizes = check_sizes(name, value, mend=mend)
    if len(sizes) > 13 or max(sizes) > 64:
        raise ValueError(
            f"`{name}` cannot be used. Expected up to 13 whole numbers, each up to 64. "
            f"Received: {name}={value!r}. {mend}"
        )
    return list(sizes)


def _tokenizer(value) -> str:
    """A name, or where one is kept: a path, or a KerasHub preset; it is read with the data."""
    if isinstance(value, str) and (re.search(r"[/\\._]", value) or Path(value).exists()):
        return value
    mend = "Or the path of a tokenizer.json: md4keras data tokenizer makes one."
    return check_name("tokenizer", value, TOKENIZERS, mend)


def _sampler(value) -> str:
    if not isinstance(value, str):
        raise ValueError(
            "`sampling.sampler` cannot be used. Expected a name. Received: "
            f"sampling.sampler={value!r}. Use ancestral, for instance."
        )
    md4keras.samplers.get(value)
    return value


def _typed(name: str, value, types: tuple):
    """The value, if it is of one of the types; whole numbers are numbers too, never infinite."""
    if bool in types and isinstance(value, bool):
        return value
    if int in types and is_whole(value) and abs(value) < 2**31:
        return value
    if float in types and is_number(value) and math.isfinite(value):
        return value
    if str in types and isinstance(value, (str, bool, int, float)):
        return value  # what it belongs to knows its names, and tells them
    if type(None) in types and value is None:
        return value
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "a name"}
    wanted = " or ".join(words.get(each, "none") for each in types)
    limit = " below 2**31" if int in types else ""
    raise ValueError(
        f"`{name}` cannot be used. Expected {wanted}{limit}. Received: {name}={value!r}. "
        f"Write --set {name}=... with such a value."
    )


def _types(parameter: inspect.Parameter) -> tuple:
    if parameter.annotation is inspect.Parameter.empty:
        return (type(parameter.default),)
    return typing.get_args(parameter.annotation) or (parameter.annotation,)


def _takes(parameter: inspect.Parameter | None, kind: type) -> bool:
    return parameter is not None and kind in _types(parameter)
