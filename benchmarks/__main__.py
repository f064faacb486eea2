"""Measures, and writes each table as JSON and Markdown.

    python -m benchmarks                                    # all tables of the CPU: hours
    python -m benchmarks compiled samplers --output runs/benchmarks
    python -m benchmarks steps --settings text8 --pair dense activations --backends jax torch
    python -m benchmarks gpu                                # on an accelerator

What each table measures, and how to read it: docs/benchmarks.md.
"""

import argparse
import importlib
import shlex
import sys
from pathlib import Path

from benchmarks import settings
from benchmarks.tables import Table

# In this order: the accelerator comes first, before this process takes memory there itself.
TABLES = {
    "gpu": "benchmarks.accelerator",
    "compiled": "benchmarks.compiled",
    "steps": "benchmarks.steps",
    "sampling": "benchmarks.sampling",
    "samplers": "benchmarks.samplers",
    "frontier": "benchmarks.frontier",
    "blocks": "benchmarks.blocks",
    "block_steps": "benchmarks.block_steps",
    "prefix_cache": "benchmarks.prefix_cache",
    "startup": "benchmarks.startup",
    "genmd4": "benchmarks.genmd4",
    "complementary": "benchmarks.complementary",
    "input": "benchmarks.input",
    "packed": "benchmarks.packed",
    "quantization": "benchmarks.quantization",
    "devices": "benchmarks.devices",
    "finetuning": "benchmarks.finetuning",
}


def main(arguments=None) -> None:
    modules = {name: importlib.import_module(module) for name, module in TABLES.items()}
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(TABLES)} (default: all but gpu)")
    add("--output", type=Path, default=Path("runs/benchmarks"), help="default: runs/benchmarks")
    add("--runs", type=int, default=3, help="measurements, or training runs (default: 3)")
    add("--settings", nargs="+", choices=settings.SETTINGS, help="default: all")
    add(
        "--variants",
        nargs="+",
        choices=settings.VARIANTS,
        default=list(settings.VARIANTS),
        help="; ".join(f"{name}: {what}" for name, what in settings.VARIANTS.items()),
    )
    add("--tiny", action="store_true", help="models of no use, to try the command out in a minute")
    for name, module in modules.items():
        module.add_arguments(parser.add_argument_group(name, module.__doc__.splitlines()[0]))
    options = parser.parse_args(arguments)
    if unknown := set(options.tables) - set(TABLES):
        parser.error(f"unknown tables {sorted(unknown)}. Expected some of {', '.join(TABLES)}")
    if options.runs < 2:
        parser.error(f"a range needs two runs. Expected --runs 2 or more. Received: {options.runs}")
    failed = []
    command = shlex.join(["python", "-m", "benchmarks", *(arguments or sys.argv[1:])])
    for name, module in modules.items():
        if name in (options.tables or TABLES.keys() - {"gpu"}):
            layout = getattr(module, "markdown", None)
            table = Table(name, module.__doc__, command, options.output, layout)
            try:
                for row in module.rows(options):
                    table.add(row)
            except RuntimeError as error:  # of a measurement; the other tables go on
                print(f"error: {name}: {error}", file=sys.stderr)
                failed.append(name)
            print(table.markdown(), flush=True)
    if failed:
        raise SystemExit(f"error: not finished: {', '.join(failed)}")


if __name__ == "__main__":
    main()
