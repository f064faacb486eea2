"""The examples in the library's docstrings do what they show, and every public name has one."""

import doctest
import importlib
import inspect
import pkgutil
import re

import keras
import numpy as np
import pytest

import md4keras
from docs.tools import reference

# What is of another backend can be imported only under it.
OTHER_BACKENDS = {
    f"md4keras.backend._{name}"
    for name in {"jax", "tensorflow", "torch"} - {keras.backend.backend()}
}
MODULES = sorted(
    {"md4keras"}
    | {info.name for info in pkgutil.walk_packages(md4keras.__path__, "md4keras.")} - OTHER_BACKENDS
)

DOWNLOAD, WEIGHTS = "downloads its data", "needs weights that are fetched"
PREPARED = "reads a folder that a preparation of minutes made; docs/data.md shows it"
HUB = "needs a hub; tests/presets has a stand-in for one"
PUBLISHED = "takes the parameters of a published checkpoint; tests of conversion have them"
PROCESS = "starts a process of TensorFlow; docs/export.md shows it"
# Public names without an example that runs, and why.
WITHOUT_EXAMPLE = {
    "md4keras.checkpoints.from_bd3lm": PUBLISHED,
    "md4keras.checkpoints.from_llada": PUBLISHED,
    "md4keras.checkpoints.from_md4": PUBLISHED,
    "md4keras.checkpoints.from_mdlm": PUBLISHED,
    "md4keras.client.request": "needs a server; docs/serving.md shows it",
    "md4keras.checkpoints.upload_preset": HUB,
    "md4keras.conversion.from_md4": PUBLISHED,
    "md4keras.conversion.load": PUBLISHED,
    "md4keras.conversion.load_network": PUBLISHED,
    "md4keras.data.PreparedSet": PREPARED,
    "md4keras.data.Prepared": PREPARED,
    "md4keras.data.cifar10": DOWNLOAD,
    "md4keras.data.is_zero_shot": PREPARED,
    "md4keras.data.prepared": PREPARED,
    "md4keras.data.preparation.Plan": PREPARED,
    "md4keras.data.preparation.finish": PREPARED,
    "md4keras.data.preparation.make_plan": PREPARED,
    "md4keras.data.preparation.prepare": PREPARED,
    "md4keras.data.preparation.ray_executor": "needs a cluster",
    "md4keras.data.preparation.run": PREPARED,
    "md4keras.data.preparation.slurm_executor": "needs a cluster",
    "md4keras.data.text8": DOWNLOAD,
    "md4keras.distribution.start_processes": "needs other processes; docs/devices.md shows it",
    "md4keras.evaluation.Report": "is made by `md4keras evaluate --report`",
    "md4keras.evaluation.causal.CausalModel": WEIGHTS,
    "md4keras.evaluation.causal.generative_perplexity": WEIGHTS,
    "md4keras.evaluation.image_report.ImageReport": WEIGHTS,
    "md4keras.evaluation.inception.Inception": WEIGHTS,
    "md4keras.evaluation.inception.load_inception": WEIGHTS,
    "md4keras.evaluation.text_report.TextReport": WEIGHTS,
    "md4keras.evaluation.text_report.mauve": WEIGHTS,
    "md4keras.evaluation.write_report": "is what `md4keras evaluate --report` does",
    "md4keras.export.export_denoiser": PROCESS,
    "md4keras.export.export_native": PROCESS,
    "md4keras.export.export_saved_model": PROCESS,
    "md4keras.upload_preset": HUB,
}


def documented():
    """Each public name that is a class, a function or an object of ours, with its docstring."""
    for path, value in reference.public_names(reference.public_modules()).items():
        if inspect.isclass(value) or inspect.isroutine(value):
            yield path, value
        elif type(value).__module__.startswith("md4keras."):
            yield path, type(value)
    for model in (md4keras.MD4, md4keras.GenMD4, md4keras.BlockDiffusion):
        for name in reference.methods(model):
            if inspect.isroutine(method := getattr(model, name)):
                yield f"md4keras.{model.__name__}.{name}", getattr(method, "__func__", method)


@pytest.mark.one_backend
def test_every_public_name_has_an_example():
    excepted = {id(value) for path, value in documented() if path in WITHOUT_EXAMPLE}
    without = [
        path
        for path, value in documented()
        if ">>>" not in (value.__doc__ or "") and id(value) not in excepted
    ]
    assert not without, "write an example into the docstring, or say why not in WITHOUT_EXAMPLE"


@pytest.mark.one_backend
def test_exceptions_are_needed():
    having = {path for path, value in documented() if ">>>" in (value.__doc__ or "")}
    assert set(WITHOUT_EXAMPLE) <= {path for path, _ in documented()} - having


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, tmp_path, monkeypatch):
    if name == "md4keras.distribution" and not md4keras.backend.HAS_LAYOUTS:
        pytest.skip("Keras has layouts on JAX alone")
    monkeypatch.chdir(tmp_path)
    given = {"keras": keras, "md4keras": md4keras, "np": np}
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    finder = doctest.DocTestFinder(exclude_empty=True)
    for test in finder.find(importlib.import_module(name), extraglobs=given):
        if re.search(r"\b(model|network)\b", "".join(each.source for each in test.examples)):
            names = {}
            exec(reference.SETUP, names)
            test.globs.update({key: names[key] for key in ("model", "network")})
        runner.run(test)
    failures, examples = runner.summarize(verbose=False)
    assert failures == 0, f"{failures} of {examples} examples failed; see the captured output"
