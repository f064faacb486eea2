"""The library keeps the shape that it was designed in: who imports whom, and house rules."""

import ast
import importlib
import re
import tomllib
from pathlib import Path

import keras
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

pytestmark = pytest.mark.one_backend

ROOT = Path(__file__).parents[1]
LIBRARY = sorted((ROOT / "md4keras").rglob("*.py"))
PROGRAMS = sorted(
    path for name in ("train", "app", "benchmarks") for path in (ROOT / name).rglob("*.py")
)
MAX_LINES = 350

# Each part of the library, and the parts that it may import besides those of COMMON.
COMMON = {"version", "checks", "files"}
MAY_IMPORT = {
    "version": set(),
    "default_backend": set(),
    "checks": set(),
    "files": set(),
    "random": set(),
    "backend": set(),
    "schedules": set(),
    "forward_process": {"schedules"},
    "losses": {"schedules", "forward_process"},
    "head_loss": {"backend"},
    "distribution": {"backend"},
    "metrics": set(),
    "layers": {"backend"},
    "figures": set(),
    "presets": set(),
    "saving": {
        "backend",
        "distribution",
        "figures",
        "layers",
        "tokenizers",
        "presets",
        "weights_file",
    },
    "networks": {"backend", "layers", "saving", "weights_file"},
    "samplers": {"backend", "random", "schedules", "forward_process"},
    "models": {
        "backend",
        "distribution",
        "random",
        "schedules",
        "forward_process",
        "losses",
        "head_loss",
        "metrics",
        "samplers",
        "saving",
        "tokenizers",
    },
    "tokenizers": {"presets"},
    "data": {"tokenizers"},
    "visualization": {"tokenizers"},
    "evaluation": {
        "backend",
        "figures",
        "metrics",
        "models",
        "random",
        "samplers",
        "tokenizers",
        "checkpoints",
        "visualization",
    },
    "conversion": {
        "layers",
        "networks",
        "models",
        "schedules",
        "tokenizers",
        "presets",
        "weights_file",
    },
    "weights_file": set(),
    "checkpoints": {"conversion", "presets", "saving"},
    "catalog": {"checkpoints"},
    "callbacks": {"backend"},
    "client": set(),
    "export": {
        "random",
        "schedules",
        "samplers",
        "models",
        "tokenizers",
        "data",
        "presets",
        "checkpoints",
    },
}
MAY_IMPORT = {part: others | (COMMON - {part}) for part, others in MAY_IMPORT.items()}
for part in COMMON:
    MAY_IMPORT[part] = set()
MAY_IMPORT["cli"] = set(MAY_IMPORT) | {"__init__"}
MAY_IMPORT["__init__"] = set(MAY_IMPORT)

# Where the backend in use may be asked for, and where a backend may be imported.
BACKEND_FILES = {
    "md4keras/backend/__init__.py",
    "md4keras/backend/_jax.py",
    "md4keras/backend/_orbax.py",
    "md4keras/backend/_jax_devices.py",
    "md4keras/backend/_tensorflow.py",
    "md4keras/backend/_torch.py",
}
BACKENDS = {"jax", "tensorflow", "torch"}


def name_of(path):
    return path.relative_to(ROOT).as_posix()


def part_of(path):
    return path.relative_to(ROOT / "md4keras").parts[0].removesuffix(".py")


def is_part(name):
    return any((ROOT / "md4keras" / name).with_suffix(suffix).exists() for suffix in ("", ".py"))


def nodes(path, *kinds):
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def imported_modules(path):
    """Dotted names that a file imports; `from a import b` counts as `a.b`, as b may be a module."""
    for node in nodes(path, ast.Import, ast.ImportFrom):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        else:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def library_imports(path):
    """Dotted names below `md4keras`, imported or reached as attributes (`md4keras.data.text`)."""
    for module, line in imported_modules(path):
        if module.startswith("md4keras."):
            yield module.removeprefix("md4keras."), line
    for node in nodes(path, ast.Attribute):
        dotted = ast.unparse(node)
        if dotted.startswith("md4keras."):
            yield dotted.removeprefix("md4keras."), node.lineno


@pytest.mark.parametrize("path", LIBRARY, ids=name_of)
class TestLibraryFile:
    def test_imports_only_parts_it_may_know(self, path):
        part = part_of(path)
        assert part in MAY_IMPORT, f"say in MAY_IMPORT what '{part}' may import"
        wrong = [
            f"line {line}: {name}"
            for name, line in library_imports(path)
            if (other := name.split(".")[0]) != part
            and is_part(other)
            and other not in MAY_IMPORT[part]
        ]
        assert not wrong

    def test_leaves_the_backend_to_keras(self, path):
        if name_of(path) in BACKEND_FILES or part_of(path) == "export":
            return
        asked = [
            f"line {node.lineno}: {ast.unparse(node)}"
            for node in nodes(path, ast.Call)
            if ast.unparse(node.func).endswith("backend.backend")
        ]
        imported = [
            f"line {line}: {module}"
            for module, line in imported_modules(path)
            if module.split(".")[0] in BACKENDS
        ]
        assert not asked + imported

    def test_has_no_assert(self, path):
        assert not [node.lineno for node in nodes(path, ast.Assert)]

    def test_passes_further_arguments_to_super_alone(self, path):
        functions = nodes(path, ast.FunctionDef, ast.AsyncFunctionDef)
        assert not [
            f"line {function.lineno}: {function.name}"
            for function in functions
            if function.args.kwarg and not forwards_to_super(function)
        ]

    def test_uses_absolute_imports(self, path):
        assert not [node.lineno for node in nodes(path, ast.ImportFrom) if node.level]

    def test_functions_take_few_arguments(self, path):
        functions = nodes(path, ast.FunctionDef, ast.AsyncFunctionDef)
        assert not [
            f"line {function.lineno}: {function.name} takes {count}"
            for function in functions
            if (count := number_of_arguments(function)) > most_arguments(path, function)
        ]


def forwards_to_super(function):
    """Whether `**kwargs` goes to `super()` alone, or to a private method, itself checked."""
    name = function.args.kwarg.arg
    receivers = [
        ast.unparse(node.func)
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        for keyword in node.keywords
        if keyword.arg is None and name in {n.id for n in ast.walk(keyword.value) if is_name(n)}
    ]
    return bool(receivers) and all(call.startswith(("super().", "self._")) for call in receivers)


def is_name(node):
    return isinstance(node, ast.Name)


SAMPLING_METHODS = {"generate", "sample_steps", "infill", "infill_steps", "generate_blocks"}
SAMPLING_METHODS |= {"score"}  # of what a sampler draws, too
# Which also take a prompt, and its blocks' length:
PROMPTED_METHODS = {"generate", "sample_steps", "generate_blocks"}


def number_of_arguments(function):
    named = function.args.posonlyargs + function.args.args + function.args.kwonlyargs
    return len([argument for argument in named if argument.arg not in ("self", "cls")])


def most_arguments(path, function):
    if path.parent.name == "models" and function.name in PROMPTED_METHODS:
        return 12
    is_network = part_of(path) == "networks" and function.name == "__init__"
    return 10 if is_network or function.name in SAMPLING_METHODS else 7


def floors():
    """The classes of models and samplers, in which a floor may use those above it alone."""
    for path in LIBRARY:
        if part_of(path) in ("models", "samplers"):
            module = importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
            for node in nodes(path, ast.ClassDef):
                yield pytest.param(getattr(module, node.name), node, id=node.name)


def own_names(node):
    """What the methods of a class read of `self`, and what they set, by name."""
    read, written = set(), set()
    for each in ast.walk(node):
        if isinstance(each, ast.Attribute) and ast.unparse(each.value) == "self":
            (written if isinstance(each.ctx, ast.Store) else read).add(each.attr)
    return read, written


FLOORS = list(floors())
WRITTEN = {param.values[0]: own_names(param.values[1])[1] for param in FLOORS}


@pytest.mark.parametrize("cls, node", FLOORS)
def test_a_class_uses_what_it_or_a_class_above_it_has(cls, node):
    """Not what a class below it adds: imports run one way, through `self` too."""
    read, _ = own_names(node)
    written = set().union(*(WRITTEN.get(each, set()) for each in cls.__mro__))
    fields = {field for each in cls.__mro__ for field in getattr(each, "__annotations__", {})}
    outside = keras.Model() if issubclass(cls, keras.Model) else cls
    unknown = read - written - fields
    assert not {name for name in unknown if not (hasattr(cls, name) or hasattr(outside, name))}


RECIPES = [path for path in (ROOT / "train").glob("*.py") if "\nRECIPE = " in path.read_text()]


@pytest.mark.parametrize("path", RECIPES, ids=name_of)
def test_a_recipe_is_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.parametrize("path", PROGRAMS, ids=name_of)
def test_programs_use_public_names(path):
    private = [
        f"line {line}: {name}"
        for name, line in library_imports(path)
        if any(word.startswith("_") and not word.endswith("__") for word in name.split("."))
    ]
    assert not private


@pytest.mark.parametrize("path", LIBRARY + PROGRAMS, ids=name_of)
def test_a_file_is_one_idea(path):
    length = len(path.read_text(encoding="utf-8").splitlines())
    assert length <= MAX_LINES, f"{length} lines: split it"
    assert path.stem not in {"utils", "helpers", "misc"}


@pytest.mark.parametrize("path", LIBRARY + PROGRAMS, ids=name_of)
def test_a_docstring_says_what_the_file_is(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    if path.read_text(encoding="utf-8").strip():
        assert docstring and docstring.split()[0] not in {"What", "How", "When", "Which", "This"}


def test_no_part_imports_itself_in_a_circle():
    order = []
    while len(order) < len(MAY_IMPORT):
        free = [
            part
            for part in MAY_IMPORT
            if part not in order and MAY_IMPORT[part] - {part, "__init__", "cli"} <= set(order)
        ]
        assert free, f"a circle among {set(MAY_IMPORT) - set(order)}"
        order += free


class TestInstallation:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = {
        canonicalize_name(name): version
        for name, version in re.findall(
            r"^([\w.-]+)==(\S+)$", (ROOT / "requirements.txt").read_text(encoding="utf-8"), re.M
        )
    }

    def test_extras(self):
        extras = self.project["optional-dependencies"]
        parts = {
            "jax",
            "tensorflow",
            "torch",
            "recipes",
            "data",
            "app",
            "serving",
            "runtimes",
            "tokenizers",
            "eval",
            "convert",
            "hub",
            "docs",
        }
        assert set(extras) == parts | {"dev"}
        assert set(extras["jax"]) <= set(self.project["dependencies"])  # JAX is the default
        assert set(extras["recipes"]) <= set(extras["dev"])  # which the tests run

    def test_pins_lie_in_the_ranges(self):
        extras = self.project["optional-dependencies"]
        wanted = [*self.project["dependencies"]]
        for name in extras.keys() - {"torch"}:
            wanted += extras[name]
        for requirement in map(Requirement, wanted):
            pin = self.pins.get(canonicalize_name(requirement.name))
            assert pin is not None, f"{requirement.name} is not in requirements.txt"
            assert requirement.specifier.contains(pin), f"{requirement} excludes {pin}"

    def test_torch_is_apart(self):
        assert "torch" not in self.pins
        assert "tensorflow-cpu" not in self.pins  # overwrites the files of `tensorflow`
        (line,) = re.findall(
            r"^torch==(\S+)$", (ROOT / "requirements-torch.txt").read_text(encoding="utf-8"), re.M
        )
        (requirement,) = map(Requirement, self.project["optional-dependencies"]["torch"])
        assert requirement.specifier.contains(line)
