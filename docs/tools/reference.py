"""Pages of the API reference: which module stands on which page, and each page's text.

A public name is one in the `__all__` of a public module: `md4keras`, the modules that its own
`__all__` names, those that theirs name, and `BESIDE`, which are imported by name. A page has one
section a module, and in it each name once: what two modules export stands where it comes first.
"""

import dataclasses
import importlib
import inspect
import types
from collections.abc import Iterable, Iterator

import keras

# What the examples find: the tests run it before each, and the reference begins with it.
SETUP = """import keras, md4keras
import numpy as np

network = md4keras.networks.Transformer(
    vocabulary_size=5, sequence_length=8, num_layers=0, num_heads=2, feature_dim=8
)  # the smallest there is
model = md4keras.MD4(network)  # a new one, for which all tokens are equally likely
"""

BESIDE = ("md4keras.client", "md4keras.conversion", "md4keras.visualization")
# Of the models' methods those that people call; the others are what these are made of.
METHODS = ("compile", "fit", "evaluate", "generate", "sample_steps", "generate_blocks", "infill")
METHODS += ("infill_steps", "score", "score_steps", "predict_logits", "diffusion_loss")
METHODS += ("reconstruction_loss", "training_logits", "token_losses", "power_by_token")
METHODS += ("from_preset", "save_to_preset", "enable_lora", "merge_lora", "load_lora_weights")
METHODS += ("quantize", "ids_from_published", "ids_to_published", "mask_token", "dense_loss")


@dataclasses.dataclass(frozen=True)
class Page:
    """A page of the reference.

    Attributes:
        name: of its file, `reference/<name>.md`.
        title: its heading.
        modules: dotted names, one section each; those below them follow by themselves.
    """

    name: str
    title: str
    modules: tuple[str, ...]

    @property
    def path(self) -> str:
        """Where the page lies among the documents."""
        return f"reference/{self.name}.md"


# `md4keras` itself comes first: what people type as `md4keras.MD4` stands under that name.
PAGES = (
    Page("md4keras", "Models, saved and loaded", ("md4keras", "md4keras.models")),
    Page("networks", "Networks", ("md4keras.networks",)),
    Page("layers", "Layers", ("md4keras.layers",)),
    Page("schedules", "Schedules", ("md4keras.schedules",)),
    Page("samplers", "Samplers", ("md4keras.samplers",)),
    Page(
        "objectives",
        "Masking, losses, metrics",
        ("md4keras.forward_process", "md4keras.losses", "md4keras.metrics"),
    ),
    Page("data", "Data", ("md4keras.data",)),
    Page("tokenizers", "Tokenizers", ("md4keras.tokenizers",)),
    Page("callbacks", "Callbacks", ("md4keras.callbacks",)),
    Page("distribution", "Devices", ("md4keras.distribution",)),
    Page("evaluation", "Evaluation", ("md4keras.evaluation",)),
    Page("visualization", "Visualization", ("md4keras.visualization",)),
    Page(
        "checkpoints",
        "Checkpoints and conversion",
        ("md4keras.checkpoints", "md4keras.presets", "md4keras.catalog", "md4keras.conversion"),
    ),
    Page("export", "Export", ("md4keras.export",)),
    Page("client", "Client", ("md4keras.client",)),
)


def modules_below(name: str) -> Iterator[types.ModuleType]:
    """A public module, and those that its `__all__` names, in that order, with theirs."""
    module = importlib.import_module(name)
    yield module
    for each in names(module):
        if isinstance(getattr(module, each), types.ModuleType):
            yield from modules_below(f"{name}.{each}")


def names(module: types.ModuleType) -> list[str]:
    """The public names of a module; a public module that does not say them is an error."""
    if not hasattr(module, "__all__"):
        raise ValueError(
            f"A public module must say which of its names are public. Expected `__all__`. "
            f"Received: module={module.__name__}. List its public names there."
        )
    return list(module.__all__)


def public_modules() -> list[str]:
    """All public modules, each once."""
    found = (module.__name__ for name in ("md4keras", *BESIDE) for module in modules_below(name))
    return list(dict.fromkeys(found))


def public_names(modules: Iterable[str]) -> dict[str, object]:
    """Each public name of some modules, dotted, and what it stands for; no modules among them."""
    return {
        f"{path}.{name}": value
        for path in modules
        for name, value in _values(importlib.import_module(path)).items()
    }


def _values(module: types.ModuleType) -> dict[str, object]:
    values = {name: getattr(module, name) for name in names(module)}
    return {n: value for n, value in values.items() if not isinstance(value, types.ModuleType)}


def pages() -> dict[str, str]:
    """The text of each page, by its path."""
    places = {name: _place(name) for name in public_modules()}
    sections = {page: [name for name, place in places.items() if place == page] for page in PAGES}
    ordered = [name for page in PAGES for name in sections[page]]
    shown = {  # where each class and function stands: the first of its names
        id(value): path
        for path, value in reversed(list(public_names(ordered).items()))
        if inspect.isclass(value) or inspect.isroutine(value)
    }
    texts = {page.path: _text(page, sections[page], shown) for page in PAGES}
    return {"reference/index.md": _index(sections), **texts}


def _place(module: str) -> Page:
    """The page of a module: that which names it, or the nearest of those above it."""
    for end in range(len(module.split(".")), 0, -1):
        above = ".".join(module.split(".")[:end])
        for page in PAGES:
            if above in page.modules and (above != "md4keras" or module == above):
                return page
    raise ValueError(
        f"A public module has no page. Expected its name, or that of one above it, in PAGES. "
        f"Received: module={module}. Add it to a page in docs/tools/reference.py."
    )


def _text(page: Page, sections: list[str], shown: dict[int, str]) -> str:
    parts = [f"# {page.title}"]
    for path in sections:
        module = importlib.import_module(path)
        if values := _values(module):
            parts += [f"## `{path}`", inspect.cleandoc(module.__doc__ or "")]
        parts += [_entry(f"{path}.{name}", value, shown) for name, value in values.items()]
    return "\n\n".join(parts) + "\n"


def _entry(path: str, value, shown: dict[int, str]) -> str:
    """A name's part of a page: its docstring, or where that stands."""
    cls, name = type(value), path.rpartition(".")[2]
    if id(value) in shown:
        first = shown[id(value)]
        if first != path:
            return f"`{path}` is [`{first}`][{first}]."
        if inspect.isclass(value) and issubclass(value, keras.Model):
            members = methods(value)
            return (
                f"::: {path}\n    options:\n      inherited_members: true\n      members: {members}"
            )
        return f"::: {path}"
    if not cls.__module__.startswith("md4keras."):
        return f"::: {path}"  # a constant
    if id(cls) in shown:
        return f"`{path}` is a [`{cls.__name__}`][{shown[id(cls)]}]."
    # One object of a class of its own, such as a source: what is called is its class's.
    return (
        f"::: {cls.__module__}.{cls.__name__}\n    options:\n      heading: {name}\n"
        f"      toc_label: {name}\n      members: [__call__]\n\n`{path}` is this object."
    )


def methods(model: type) -> list[str]:
    """Those of `METHODS` that a class of models has and offers."""
    found = {name: inspect.getattr_static(model, name, None) for name in METHODS}
    ours = {name for name, each in found.items() if type(each).__module__.startswith("md4keras")}
    return [name for name, each in found.items() if each is not None and name not in ours]


def _index(sections: dict[Page, list[str]]) -> str:
    lines = [
        f"- [{page.title}]({page.name}.md): {', '.join(f'`{name}`' for name in modules)}"
        for page, modules in sections.items()
    ]
    about = "Every public name, from its docstring. The examples run in the tests, after this:"
    setup = f"```python\n{SETUP}```"
    return "\n".join(["# Reference", "", about, "", setup, "", *lines]) + "\n"
