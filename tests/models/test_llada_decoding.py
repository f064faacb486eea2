"""Texts that go on as LLaDA's own code continues them: token for token, call for call."""

import json

import numpy as np
import pytest

from md4keras.checkpoints import from_llada
from md4keras.samplers import Confidence, Threshold
from tests.reference import load_reference, reference_params

FILES = ["llada", pytest.param("llada_grouped_heads", marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=FILES)
def published(request):
    """The arrays of a file, the runs that it has, and the model."""
    reference = load_reference(request.param)
    config = json.loads(str(reference["config"]))
    params = reference_params(reference)
    params = {name.removeprefix("params/"): value for name, value in params.items()}
    return reference, config["runs"], from_llada(config["hf_config"], params)


def arguments(run) -> dict:
    """Of `generate` and `sample_steps`, for a published run."""
    how = {"length": run["gen_length"], "block_length": run["block_length"], "temperature": 0}
    how["guidance_scale"] = 1.0 + run.get("cfg_scale", 0.0)
    if run["kind"] == "threshold":
        return how | {"sampler": Threshold(threshold=run["threshold"])}
    how |= {"sampler": Confidence(ties="first"), "time_grid": "uniform"}
    return how | {"num_steps": run["steps"]}


def test_every_published_run_comes_out_token_for_token(published):
    reference, runs, model = published
    prompt = model.ids_from_published(reference["prompt"])
    assert {run["kind"] for run in runs} == {"low_confidence", "threshold"}
    for run in runs:
        how = arguments(run)
        found = model.generate(prompt=prompt, **how)
        np.testing.assert_array_equal(model.ids_to_published(found), reference[run["key"]])
        if run["kind"] == "threshold":
            *_, last = model.sample_steps(prompt=prompt, **how)
            np.testing.assert_array_equal(last.tokens, found)
            assert last.calls == run["network_calls"] <= last.most_calls


@pytest.mark.slow
def test_in_a_batch_with_other_prompts_as_well(published):
    reference, runs, model = published
    prompt = model.ids_from_published(reference["prompt"])[0]
    run = runs[1]
    assert run["block_length"] < run["gen_length"]
    found = model.generate(prompt=[prompt[:2], prompt, prompt[::-1]], **arguments(run))
    np.testing.assert_array_equal(model.ids_to_published(found[1]), reference[run["key"]][0])
