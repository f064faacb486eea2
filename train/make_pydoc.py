"""Maker of the shipped texts `data.pydoc` and `data.python_docs`: `python3.11 -m train.make_pydoc`.

Only Python 3.11.7 gives the same characters, since each release words its documentation a little
differently.
"""

import ast
import json
import lzma
import pydoc_data.topics
import sys
import sysconfig
from pathlib import Path

import md4keras

_CHANGES = """\
pydoc.json.xz is derived from the documentation of Python {version}: the topics of the module
pydoc_data.topics, and the documentation strings of the modules, classes and functions of the
standard library (those in Python; tests and demonstrations left out).
Changes made: each documentation string got the name of what it documents above it; those that say
the same as another one were left out. `md4keras.data.pydoc` reduces the topics to the letters a to
z and the space, with digits spelled out as words. Nothing else of Python is contained.
Copyright (c) 2001-2023 Python Software Foundation; All Rights Reserved. Its licence follows.

"""
_LEFT_OUT = {"ensurepip", "idle_test", "idlelib", "lib2to3", "pydoc_data", "site-packages"}
_LEFT_OUT |= {"test", "tests", "turtledemo"}
_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def main():
    folder = Path(md4keras.data.__file__).parent
    topics = dict(sorted(pydoc_data.topics.topics.items()))
    modules = documented(Path(sysconfig.get_path("stdlib")))
    content = json.dumps({"topics": topics, "modules": modules}, ensure_ascii=False)
    compressed = lzma.compress(content.encode("utf-8"), preset=9 | lzma.PRESET_EXTREME)
    (folder / "pydoc.json.xz").write_bytes(compressed)
    licence = Path(sysconfig.get_path("stdlib"), "LICENSE.txt").read_text()
    changes = _CHANGES.format(version=sys.version.split()[0])
    (folder / "pydoc_LICENSE.txt").write_text(changes + licence)
    for name, texts in (("topics", topics), ("modules", modules)):
        print(f"{len(texts)} {name}, {sum(map(len, texts.values())):,} characters")
    print(f"{len(compressed):,} bytes")


def documented(library: Path) -> dict[str, str]:
    """The documentation of each top-level module or package of a standard library, by name."""
    seen, found = set(), {}
    for file in sorted(library.rglob("*.py")):
        parts = file.relative_to(library).with_suffix("").parts
        if parts[0] not in sys.stdlib_module_names or _LEFT_OUT & set(parts):
            continue
        entries = found.setdefault(parts[0], [])
        module = ".".join(parts).removesuffix(".__init__")
        for name, text in strings(ast.parse(file.read_text("utf-8")), module):
            if text not in seen:
                seen.add(text)
                entries.append(f"{name}\n{text}\n")
    return {name: "\n".join(entries) for name, entries in found.items() if entries}


def strings(node: ast.AST, name: str):
    """Names and documentation strings of a module, class or function and of what it defines."""
    if text := ast.get_docstring(node):
        yield name, text
    for each in ast.iter_child_nodes(node):
        if isinstance(each, _DEFINITIONS):
            yield from strings(each, f"{name}.{each.name}")


if __name__ == "__main__":
    main()
