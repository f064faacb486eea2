"""Plans: what a command and the run that it goes on with come to, checked before any work."""

import dataclasses
from pathlib import Path
from typing import Any

from md4keras import checkpoints, presets, schedules, tokenizers
from md4keras.checks import check_name

from . import adapters, state
from .folder import RunFolder
from .settings import CHECKPOINT, PARTS, SAMPLING, check_value, parameters

# What may change where a run goes on, as it does not change what a step is.
FREE = ("interval", *CHECKPOINT, "micro_batches", "max_skipped_steps", *SAMPLING)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is to be trained.

    Attributes:
        settings: dict, all settings by name.
        data: path of the user's own data, or `None`.
        skip_bad: bool, whether files that cannot be used are left out.
        init_from: path of the saved model that gives the first weights, or `None`.
        extensions: list of dicts, steps that were added to a finished run; see `optimizers.rate`.
        tokenizer: of the model or run that this goes on with, or `None`.
        read: dict, what that run had read, or `None`.
        replace_unknown: bool, whether characters that the tokenizer lacks are replaced.
    """

    settings: dict
    data: Path | None = None
    skip_bad: bool = False
    init_from: Path | None = None
    extensions: list = dataclasses.field(default_factory=list)
    tokenizer: Any = None
    read: dict | None = None
    replace_unknown: bool = False

    def header(self, recipe, tokenizer, facts: dict) -> dict:
        """What the training state tells of the run; `continued` reads it."""
        return {
            "recipe": recipe.name,
            "settings": self.settings,
            "data": None if self.data is None else str(self.data),
            "skip_bad": self.skip_bad,
            "init_from": None if self.init_from is None else str(self.init_from),
            "extensions": self.extensions,
            "tokenizer": None if tokenizer is None else tokenizers.serialize(tokenizer),
            "read": facts,
            "replace_unknown": self.replace_unknown,
        }

    def check_read(self, facts: dict) -> None:
        """Raises a `ValueError` unless the data are those that the run had read before."""
        before = (self.read or {}).get("fingerprint")
        now = facts.get("fingerprint")
        if before and now and before != now:
            raise ValueError(
                "The data have changed since the run began. Expected the same contents, with the "
                f"fingerprint {before[:12]}. Received: '{self.data}' with {now[:12]}. Restore "
                "them, or start another run: --init-from its model, with another --output."
            )


def new(recipe, options) -> Plan:
    """The plan of a run that begins, from a saved model's weights with `--init-from`."""
    changes, tokenizer, first = options.changes, None, options.init_from
    if first is not None:
        first = presets.find(first)
        saved = checkpoints.read_saved(first)
        changes = {**_settings_of(saved, recipe, changes), **changes}
        tokenizer = saved.tokenizer
    settings = recipe.complete(changes)
    _check_heeded(options, settings)
    adapters.check(settings, first)
    return Plan(
        settings,
        options.data,
        options.skip_bad,
        first,
        tokenizer=tokenizer,
        replace_unknown=options.replace_unknown,
    )


def _check_heeded(options, settings: dict) -> None:
    """Refuses what was asked for and would not be heeded, since something else decides it."""
    decided = {
        "tokenizer": (options.init_from is not None, "along with --init-from: the model has one"),
        "spare_tokens": (
            options.init_from is not None,
            "along with --init-from, whose values stay",
        ),
        "vocabulary_size": (
            settings.get("tokenizer") != "word_pieces",
            "but along with tokenizer=word_pieces",
        ),
        "max_ends": (settings.get("rows") != "pairs", "unless there are answers: rows=pairs"),
    }
    for name, (is_decided, why) in decided.items():
        if is_decided and name in options.changes:
            raise ValueError(
                f"`{name}` would not be heeded. Expected no such setting {why}. Received: "
                f"{name}={options.changes[name]}. Leave it out."
            )


def _settings_of(saved, recipe, changes: dict) -> dict:
    """The settings of a saved model's network and model, as far as they have names here."""
    network = saved.config["config"]["network"]
    if (saved.tokenizer is not None) != (recipe.kind == "text"):
        raise ValueError(
            f"The saved model is for other data. Expected one of {recipe.kind}s. Received: "
            f"--init-from {saved.folder}, a model "
            f"{'with' if saved.tokenizer is not None else 'without'} a tokenizer. Choose another "
            "recipe or model."
        )
    sizes, found = network["config"], {}
    if changes.get("network", network["class_name"]) != network["class_name"]:
        raise ValueError(
            f"The saved model has another network. Expected {network['class_name']}. Received: "
            f"network={changes['network']}. Leave it out."
        )
    for part, config in (("network", network), ("model", saved.config)):
        name = config["class_name"]
        if changes.get(part, name) == name:
            check_name(part, name, PARTS[part], "Choose another saved model.")
            values = dict(config["config"])
            if "schedule" in values and "model.schedule" not in changes:
                values["schedule"] = _schedule_name(values["schedule"])
            found[part] = name
            for key in parameters(PARTS[part][name]).keys() & values.keys():
                found[f"{part}.{key}"] = values[key]  # explicit changes go before it
    if recipe.kind == "text":
        return {**found, "sequence_length": sizes["sequence_length"]}
    labels = sizes["num_classes"] is not None
    shape, levels = list(sizes["image_shape"]), sizes["vocabulary_size"]
    return {**found, "image_shape": shape, "levels": levels, "labels": labels}


def _schedule_name(described: dict) -> str:
    """The name of a saved model's schedule."""
    config = described["config"]
    exponent = config.get("exponent")
    power = f"poly{exponent}" if exponent else "polynomial"
    for name in ("linear", "cosine", "log_linear", power):
        known = schedules.get(name)
        if (type(known).__name__, known.get_config()) == (described["class_name"], config):
            return name
    raise ValueError(
        "The saved model has a schedule without a name. Expected linear, cosine, log_linear or "
        f"poly<exponent>. Received: {described['class_name']} of {config}. Name one of these: "
        "--set model.schedule=linear."
    )


def continued(recipe, options, folder: RunFolder) -> Plan:
    """The plan of a run that goes on, from its training state.

    Raises:
        ValueError: if the command says otherwise than the run, or has nothing to go on with.
    """
    header, batches, updates = state.read_header(folder)
    settings, extensions = header["settings"], header["extensions"]
    _check_same_run(header, recipe, options)
    wanted = _changes_of(recipe, settings, options.changes)
    _check_same_settings(header, wanted, options)
    data = options.data if options.data is not None else header["data"]
    if data is not None and not Path(data).exists():
        raise ValueError(
            f"The run's data are not where they were. Expected them at '{data}'. Received: no such "
            "file or folder. If they were moved, name their new place with --data."
        )
    settings = {**settings, **wanted}
    if options.extend:
        settings, added = _extended(settings, batches, options)
        extensions = [*extensions, added | {"updates": updates}]
    tokenizer = None if header["tokenizer"] is None else tokenizers.get(header["tokenizer"])
    return Plan(
        settings,
        None if data is None else Path(data),
        header["skip_bad"] or options.skip_bad,
        None if header["init_from"] is None else Path(header["init_from"]),
        extensions,
        tokenizer,
        header["read"],
        header["replace_unknown"] or options.replace_unknown,
    )


def _changes_of(recipe, settings: dict, changes: dict) -> dict:
    """The changes, checked and as JSON holds them, of a run with these settings."""
    complete = recipe.complete({**settings, **changes})
    return {name: complete[name] for name in changes}


def _check_same_run(header: dict, recipe, options) -> None:
    if options.init_from is not None:
        raise ValueError(
            "A run that goes on has its weights already. Received: --init-from along with "
            "--resume or --extend. Leave one out."
        )
    if header["recipe"] != recipe.name:
        raise ValueError(
            f"The folder holds a run of another recipe. Expected {header['recipe']}. Received: "
            f"{recipe.name}. Name that recipe, or another folder with --output."
        )


def _check_same_settings(header: dict, wanted: dict, options) -> None:
    """Refuses changes that would make another run of it; data may move if they can be known."""
    settings, data = header["settings"], header["data"]
    free = FREE + (("optimizer.learning_rate",) if options.extend else ())
    changed = [name for name in wanted if name not in free and wanted[name] != settings[name]]
    if options.data is not None and str(options.data) != str(data):
        if data is None or "fingerprint" not in header["read"]:
            changed.append("data")
    if changed:
        before = ", ".join(f"{name}={settings.get(name, data)}" for name in changed)
        now = ", ".join(f"{name}={wanted.get(name, options.data)}" for name in changed)
        raise ValueError(
            f"The run cannot be continued with other settings. Changed: {', '.join(changed)}. "
            f"Expected {before}. Received: {now}. Leave them out, or start another run with "
            "--output."
        )


def _extended(settings: dict, batches: int, options) -> tuple[dict, dict]:
    """The settings of the longer run, and the extension."""
    if batches < settings["steps"]:
        raise ValueError(
            f"The run is not finished. Expected {settings['steps']} steps. Received: --extend "
            f"after step {batches}. Continue with --resume first."
        )
    if "steps" in options.changes:
        raise ValueError(
            "--extend says how many steps are added. Received: steps along with it. Leave one out."
        )
    added = {"from": batches, "steps": options.extend, "rate": options.extend_rate or "decay"}
    return {**settings, "steps": check_value("steps", batches + options.extend)}, added
