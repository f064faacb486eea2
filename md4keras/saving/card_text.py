"""The words of a model card, from what a folder says of its model and a report of a measurement.

Whatever a recipe or report says is put on one line, in which no character is a sign of Markdown.
"""

import json
import math
import re

from md4keras.checks import is_number, is_whole
from md4keras.figures import in_words
from md4keras.files import printable
from md4keras.presets import SHIPPED

_TAGS = ("md4keras", "keras", "masked-diffusion", "discrete-diffusion", "jax", "tensorflow")
_TAGS += ("pytorch",)
_TASKS = {"text": "text-generation", "images": "unconditional-image-generation"}
_MOST = 300  # characters of a text from elsewhere
_NOT_TOLD = "not told by its recipe"


def card_text(saved, report, title: str, license: str | None) -> str:
    """A card in Markdown, with the hub's description at its top.

    Args:
        saved: a `Saved`.
        report: a `Report` of this model, or `None`.
        title: str.
        license: str, of the model, as the hub writes it, or `None` where nobody said.
    """
    kind = _kind(saved)
    parts = [
        _front_matter(kind, license),
        f"# {_plain(title)}\n\n{_summary(saved, kind)}",
        _use(saved, kind),
        f"## Data and licence\n\n{_data(saved, report, license)}",
        f"## Training\n\n{_training(saved)}",
        f"## What it reached\n\n{_reached(saved, report)}",
        f"## Limits\n\n{_limits(kind)}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(kind: str, license: str | None) -> str:
    rows = [f"license: {license}"] if license else []
    rows += ["library_name: md4keras"]
    rows += [f"pipeline_tag: {_TASKS[kind]}"] if kind in _TASKS else []
    rows += ["tags:", *(f"- {tag}" for tag in _TAGS)]
    return "\n".join(["---", *rows, "---"])


def _kind(saved) -> str:
    """What the model makes: `"text"`, `"images"`, or `"tokens"`."""
    sizes = _sizes(saved)
    if len(sizes) == 3:
        return "images" if sizes[-1] in (1, 3) else "tokens"
    return "tokens" if saved.tokenizer is None else "text"


def _summary(saved, kind: str) -> str:
    network, model = _network(saved), saved.config["config"]
    sizes = _sizes(saved)
    facts = [f"network `{_description(saved)['class_name']}`"]
    count = saved.metadata.get("parameter_count")
    facts += [f"{count:,} parameters"] if is_whole(count) else []
    facts += [f"samples of {' x '.join(map(str, sizes))} tokens"] if sizes else []
    values, classes = network.get("vocabulary_size"), network.get("num_classes")
    facts += [f"{values:,} values of a token, and the mask"] if is_whole(values) else []
    facts += [f"{classes:,} classes"] if is_whole(classes) else []
    if saved.tokenizer is not None:
        facts += [f"tokenizer `{_class_of_tokenizer(saved.tokenizer)}`"]
    if saved.cls.saved_as == "model":
        steps = model.get("timesteps")
        facts += [f"{steps:,} steps of time" if is_whole(steps) else "continuous time"]
    if saved.metadata.get("weights_dtype") == "float16":
        facts += ["weights rounded to float16 in this folder"]
    what = f"The network of a masked discrete diffusion model of {kind}"
    if saved.cls.saved_as == "model":
        what = f"A masked discrete diffusion model of {kind} (`{saved.config['class_name']}`)"
    return (
        f"{what}: {'; '.join(facts)}. Made with md4keras in Keras 3; JAX, TensorFlow and PyTorch "
        "load it. Masked diffusion is explained by Shi et al. 2024, [Simplified and Generalized "
        "Masked Diffusion for Discrete Data](https://arxiv.org/abs/2406.04329)."
    )


def _use(saved, kind: str) -> str:
    steps = saved.recipe.get("sample_steps") if saved.recipe else None
    steps = steps if is_whole(steps) else 64
    lines = ["import md4keras", ""]
    ships = saved.folder.resolve().parent == SHIPPED.resolve()
    handle, packages = "hf://owner/name", "md4keras huggingface_hub"
    if ships:
        handle, packages = saved.folder.name, "md4keras"
    if saved.cls.saved_as == "network":
        name = saved.config["class_name"]
        lines += [f'network = md4keras.networks.{name}.from_preset("{handle}")']
    else:
        note = "" if ships else "  # or a folder"
        lines += [f'model = md4keras.load_model("{handle}"){note}']
        lines += _drawing(saved, kind, steps) if saved.cls.draws_samples else ["model.summary()"]
    code = "\n".join(lines)
    then = "then" if ships else "then, with this model's handle"
    return f"## Use\n\n`pip install {packages}`, {then}:\n\n```python\n{code}\n```"


def _drawing(saved, kind: str, steps: int) -> list[str]:
    """Lines of a program that draws samples."""
    labels = "labels=0, " if _network(saved).get("num_classes") else ""
    shown = '"\\n\\n".join(model.tokenizer.decode(samples))' if kind == "text" else "samples.shape"
    return [
        f"samples = model.generate(num_samples=4, {labels}num_steps={steps}, seed=0)",
        f"print({shown})",
    ]


def _data(saved, report, license: str | None) -> str:
    recipe = saved.recipe or {}
    read = recipe.get("read") if isinstance(recipe.get("read"), dict) else {}
    rows = [("trained on", _told(recipe.get("data") or recipe.get("source")))]
    rows += [("licence of the data", _told(recipe.get("licence")))]
    if isinstance(read.get("fingerprint"), str):
        rows += [("fingerprint of the data", f"`{_plain(read['fingerprint'][:16])}`")]
    if report is not None:
        rows += [("measured on", f"{_plain(report.data['name'])} ({report.data['training']})")]
    rows += [("licence of the model", _plain(license) if license else "not stated")]
    return _table(("", ""), rows)


def _training(saved) -> str:
    recipe = saved.recipe
    if not recipe:
        return "The folder has no recipe, so how the model was trained is not known."
    if isinstance(converted := recipe.get("converted"), dict):
        return _converted(converted)
    name = recipe.get("recipe")
    rows = [(word, _told(recipe.get(word))) for word in ("steps", "batch_size", "seed", "weights")]
    rows += [("backend", _told(recipe.get("backend")))]
    if is_number(seconds := recipe.get("seconds")):
        rows += [("time", _duration(seconds))]
    lines = []
    if isinstance(name, str) and re.fullmatch(r"\w+", name):
        lines += [f"```\nmd4keras train {name}\n```"]
    lines += [_table(("", ""), rows)]
    if isinstance(recipe.get("settings"), dict):
        lines += ["All settings are in `recipe.json`, with what was measured during training."]
    return "\n\n".join(lines)


def _converted(told: dict) -> str:
    """Whose weights they are; of a path only the last name, for a card is published."""
    source = str(told.get("source"))
    source = source if source.startswith("hf://") else re.split(r"[/\\]", source)[-1]
    rows = [("kind", _told(told.get("kind"))), ("checkpoint", _plain(source))]
    return (
        "These are the weights of a published checkpoint, converted. How they were trained, and "
        f"under which licence they are, its publisher tells.\n\n{_table(('', ''), rows)}"
    )


def _reached(saved, report) -> str:
    if report is None:
        return _of_recipe(saved.recipe or {})
    rows = [(row["name"], row["unit"], *in_words(row)[::2]) for row in report.figures]
    data, draws = report.data, report.settings["num_draws"]
    parts = [
        f"On {data['examples']:,} examples of {_plain(data['name'])} ({data['training']}), "
        f"{data['dimensions']:,} scored positions, {draws} draws of masks each. All figures are "
        "upper bounds, with their standard errors.",
        _table(("", "unit", "at most", "95 % interval"), rows),
    ]
    if report.baselines:
        parts += ["Simple models on the same data:", _of_baselines(report)]
    if report.model["weights"] != saved.weights_fingerprint:
        parts += ["Measured before the weights were rounded to float16."]
    parts += [f"- {_plain(warning, 2000)}" for warning in report.warnings]
    parts += [f"Measured with:\n\n```\n{_line(report.command, 2000)}\n```"]
    return "\n\n".join(parts)


def _of_baselines(report) -> str:
    """Bits of the simple models in the unit of the first figure, and for a character of a text."""
    bits = {row["name"]: row["value"] for row in report.figures if row["unit"] == "bits"}
    first, character = next(iter(bits)), "bits per character"
    scales = {first: 1.0}
    if character in bits and bits[first]:
        scales[character] = bits[character] / bits[first]
    rows = [
        (each["name"], *(f"{scale * each['bits']:.3f}" for scale in scales.values()))
        for each in report.baselines
    ]
    return _table(("", *scales), rows)


def _of_recipe(recipe: dict) -> str:
    validation = recipe.get("validation")
    bits = validation.get("bits_per_dim") if isinstance(validation, dict) else None
    if not is_number(bits):
        return "Nothing was measured."
    rows = [("this model, at most", f"{bits:.3f}")]
    baselines = recipe.get("baselines_bits_per_dim")
    for name, value in baselines.items() if isinstance(baselines, dict) else ():
        rows += [(_plain(name), f"{value:.3f}")] if is_number(value) else []
    told = "Measured at the end of training, by one draw of masks for each example; no errors."
    return f"{told}\n\n{_table(('', 'bits per dimension'), rows)}"


def _limits(kind: str) -> str:
    told = [
        "What is reached is an upper bound of the negative log-likelihood; the likelihood itself "
        "is not known."
    ]
    if kind == "text":
        told += ["The model writes like the texts it was trained on, and knows nothing else."]
        told += ["What it says need not be true."]
    if kind == "images":
        told += ["The model makes images like those it was trained on, of this size alone."]
    return " ".join(told)


def _description(saved) -> dict:
    return saved.config if saved.cls.saved_as == "network" else saved.config["config"]["network"]


def _network(saved) -> dict:
    return _description(saved)["config"]


def _sizes(saved) -> list[int]:
    """The shape of a sample; empty for a network of your own that tells it by other names."""
    network = _network(saved)
    sizes = network.get("image_shape") or [network.get("sequence_length")]
    return sizes if isinstance(sizes, list) and all(map(is_whole, sizes)) else []


def _class_of_tokenizer(tokenizer) -> str:
    if isinstance(tokenizer, dict):
        return _plain(tokenizer["class"])
    return type(tokenizer).__name__


def _duration(seconds: float) -> str:
    if not math.isfinite(seconds) or seconds < 120:
        return f"{seconds:.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _told(value) -> str:
    if value is None:
        return _NOT_TOLD
    return _plain(value if isinstance(value, str) else json.dumps(value))


def _line(text, most: int = _MOST) -> str:
    """Any text on one line that ends no block of code."""
    return printable(str(text)[:most]).replace("```", "'''")


def _plain(text, most: int = _MOST) -> str:
    """Any text as Markdown shows it letter for letter."""
    return re.sub(r"([\\`*_{}\[\]<>#|~&])", r"\\\1", printable(str(text)[:most]))


def _table(head: tuple, rows: list) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)
