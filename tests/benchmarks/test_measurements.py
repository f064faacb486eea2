"""Every table's measurement runs at tiny size, and its formulas hold."""

import argparse
import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest

from benchmarks import (
    __main__,
    accelerator,
    block_steps,
    blocks,
    compiled,
    frontier,
    machine,
    packed,
    paired,
    prefix_cache,
    sampling,
    settings,
    steps,
    subprocesses,
    throughput,
    utilisation,
)
from benchmarks.hlo_cost import Program

pytestmark = pytest.mark.one_backend


def test_settings_have_the_published_sizes():
    model_s = settings.get("md4_owt")
    assert (model_s.width, model_s.tokens, model_s.data_shape) == (768, 4096, (1024,))
    images = settings.get("cifar10")
    assert (images.width, images.tokens, images.data_shape) == (128, 8 * 3072, (32, 32, 3))
    assert images.scaled(0.25).arguments["num_layers"] == 8
    with pytest.raises(ValueError, match="scale"):
        images.scaled(0.0)
    with pytest.raises(ValueError, match="md4_owt"):
        settings.get("md5")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "variant"), [("genmd4_owt", "full"), ("cifar10", "dense")])
def test_a_training_step(name, variant):
    step = steps.TrainingStep(settings.get(name, tiny=True), variant)
    result = step()
    assert np.isfinite(result["loss"]) and result["seconds"] > 0 and result["peak_gb"] > 0


@pytest.mark.parametrize("sampler", settings.SAMPLERS)
def test_sampling(sampler):
    result = sampling.Generation(sampling.get("MD4-S", tiny=True), sampler)()
    assert 1 <= result["network_calls"] <= 5 and result["seconds"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("count", [False, True])
def test_training_in_blocks(count):
    options = {"shapes": ["text8"], "backends": None, "scale": 1.0, "tiny": True, "runs": 2}
    plain, blocks = block_steps.rows(argparse.Namespace(**options, count=count))
    assert blocks["step"] == "in blocks" and "ratio" not in plain
    if count:
        assert 1 < blocks["gflop_ratio"] < 2
    else:
        assert len(blocks["ratio"]) == 2


@pytest.mark.slow
def test_the_prefix_cache():
    options = argparse.Namespace(tiny=True, runs=2, cache_steps=3, cache_samples=20)
    source, *_, without, kept = prefix_cache.rows(options)
    assert source["nats"] < kept["nats"] and 0 < kept["prediction_distance"] < 1
    assert len(without["seconds"]) == 2 and without["steps of a block"] == 8


@pytest.mark.slow
def test_drawing_in_blocks():
    found = list(blocks.rows(argparse.Namespace(tiny=True, runs=2)))
    assert [row["tokens"] for row in found] == [64, 128] * 2
    assert all(row["growth"] > 0 and min(row["busy"]) > 0 for row in found)


@pytest.mark.slow
def test_the_samplers_of_the_text_preset():
    real, *drawn = frontier.rows(argparse.Namespace(tiny=True, named=["event", "klass 0.9"]))
    assert real["sampler"] == "held-out texts" and real["calls"] is None
    assert [(row["sampler"], row["steps"]) for row in drawn] == [("event", 2), ("klass 0.9", 2)]
    assert all(row["bits a character"] > real["bits a character"] for row in drawn)


@pytest.mark.slow
def test_the_command_writes_what_was_measured(tmp_path, capsys):
    arguments = ["compiled", "--tiny", "--settings", "sampling_step", "--output", str(tmp_path)]
    __main__.main(arguments)
    content = json.loads((tmp_path / "compiled.json").read_text(encoding="utf-8"))
    rows = {row["variant"]: row for row in content["rows"]}
    assert rows["event"]["gflop"] < rows["ancestral"]["gflop"]  # logits of fewer positions
    assert (tmp_path / "compiled.md").read_text(encoding="utf-8") in capsys.readouterr().out


def test_model_flops_are_those_of_the_dense_program():
    setting = settings.get("md4_owt", tiny=True)
    program = Program(compiled.compile_training_step(setting, "dense").as_text())
    network = setting.build("dense").network
    counted = 1e12 * utilisation.training_tflop(network, setting.batch_size, head_fraction=1.0)
    assert program.flops(1) == pytest.approx(counted, rel=0.02)
    half = 1e12 * utilisation.training_tflop(network, setting.batch_size)
    head = 6 * setting.tokens * setting.width * network.vocabulary_size
    assert counted - half == pytest.approx(0.5 * head)


def test_what_an_h200_trains_on_is_half_of_its_peak():
    """Its rate, measured as any training step is, comes out at the utilisation that was asked."""
    setting = settings.get("md4_owt", tiny=True)
    network, peak = setting.build("dense").network, utilisation.peak_tflops("NVIDIA H200")
    rate = utilisation.tokens_per_second(network, peak, 0.5)
    step = {"fits": True, "seconds": setting.tokens / rate}
    for key, fraction in (("model_tflop", 0.5), ("model_tflop_full_head", 1.0)):
        step[key] = utilisation.training_tflop(network, setting.batch_size, fraction)
    assert accelerator.utilisation(step, peak)["mfu"] == pytest.approx(0.5)


@pytest.mark.slow
def test_a_step_of_packed_rows():
    setting = packed.get("4 x 256", tiny=True)
    batches = {way: packed.batch(setting, way) for way in packed.WAYS}
    assert batches["packed"]["segment_ids"].max() >= 1 and "segment_ids" not in batches["joined"]
    shape = (setting.batch_size, *setting.data_shape)
    assert all(batch["tokens"].shape == shape for batch in batches.values())
    result = packed.Step(setting, "packed")()
    assert np.isfinite(result["loss"]) and min(result["seconds"], result["temporary_gb"]) > 0
    assert packed.get("8 x 512").width == 512 and packed.get("4 x 256").width == 256


@pytest.mark.slow
def test_throughput_of_training():
    setting = settings.get("md4_owt", tiny=True)
    results = list(throughput.training(setting, "activations", True, [1, 2], steps=2))
    assert [result["batch"] for result in results] == [1, 2]
    for result in results:
        assert result["fits"] and result["tokens_per_second"] > 0
        reached = accelerator.utilisation(result, peak=1e-3)
        assert 0 < reached["mfu"] < reached["mfu_full_head"]


def test_throughput_of_sampling():
    setting = settings.get("md4_owt", tiny=True)
    (result,) = throughput.sampling(setting, "event", [2], num_steps=4)
    assert result["samples_per_second"] == pytest.approx(result["tokens_per_second"] / 16)


def test_a_batch_that_does_not_fit_is_told_from_other_errors():
    def fails(message):
        def function():
            raise jax.errors.JaxRuntimeError(message)

        return throughput.if_it_fits(function)

    assert fails("RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1 byte") is None
    with pytest.raises(jax.errors.JaxRuntimeError):
        fails("INTERNAL: something else")
    assert list(throughput.batches(8, 40)) == [8, 16, 32]


@pytest.mark.slow
def test_no_accelerator():
    command = [sys.executable, "-m", "benchmarks", "gpu"]
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    result = subprocess.run(
        command, cwd=machine.ROOT, env=environment, capture_output=True, text=True
    )
    assert result.returncode == 1
    assert "no accelerator" in result.stderr and "--allow-cpu" in result.stderr


def test_a_device_that_is_not_known():
    options = argparse.Namespace(allow_cpu=False)
    device = {"platform": "gpu", "device_kind": "NVIDIA H200"}
    peak = utilisation.peak_tflops(device["device_kind"])
    assert peak == utilisation.PEAK_TFLOPS["NVIDIA H200"]
    assert utilisation.peak_tflops("NVIDIA H100 80GB HBM3") > utilisation.peak_tflops(
        "NVIDIA H100 PCIe"
    )
    accelerator.check(device, peak, options)
    with pytest.raises(SystemExit, match="--peak-tflops"):
        accelerator.check({"platform": "gpu", "device_kind": "Other"}, None, options)


class Counter:
    """A measurement that notes the order in which it is asked."""

    asked = []

    def __init__(self, name, seconds):
        self.name, self.seconds = name, seconds

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def ask(self):
        self.asked.append(self.name)
        return {"seconds": self.seconds}


def test_pairs_are_timed_alternately():
    Counter.asked.clear()
    starters = [lambda: Counter("a", 2.0), lambda: Counter("b", 1.0)]
    first, second = paired.alternate(starters, runs=2)
    assert Counter.asked == list("ab" + "ab" + "ba")  # warm-up, one order, the other
    assert paired.ratios(second, first) == [0.5, 0.5]
    Counter.asked.clear()
    paired.alternate(starters, runs=2, apart=True)
    assert Counter.asked == list("aabb" + "bbaa")  # each with a warm-up of its own


def test_a_measurement_that_fails():
    with pytest.raises(RuntimeError, match="benchmarks.steps"):
        with subprocesses.Measurement("benchmarks.steps", "unknown", "dense") as measurement:
            measurement.ask()


def test_a_table_that_fails_does_not_end_the_others(tmp_path, capsys, monkeypatch):
    def fail(options):
        yield {"setting": "first"}
        raise RuntimeError("A measurement failed")

    monkeypatch.setattr(steps, "rows", fail)
    monkeypatch.setattr(sampling, "rows", lambda options: iter([{"network": "other"}]))
    with pytest.raises(SystemExit, match="not finished: steps"):
        __main__.main(["steps", "sampling", "--output", str(tmp_path)])
    assert "A measurement failed" in capsys.readouterr().err
    for name, row in (("steps", {"setting": "first"}), ("sampling", {"network": "other"})):
        content = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
        assert content["rows"] == [row]
