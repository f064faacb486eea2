"""Several devices without JAX: PyTorch's processes share a step, and TensorFlow's replicas."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.one_backend  # each starts the backend that it is about

TORCH = """
import json, sys
import keras, numpy as np, torch
import md4keras

process, file, cls = int(sys.argv[1]), sys.argv[2], getattr(md4keras, sys.argv[3])
torch.set_num_threads(1)
rng = np.random.default_rng(0)
x, y, w = rng.integers(0, 5, (13, 8)), rng.integers(0, 3, 13), rng.random((13, 8))

def batch(rows):
    mask = np.arange(8) < 1 + rows[:, None] % 8
    return {"tokens": x[rows], "label": y[rows], "padding_mask": mask, "sample_weight": w[rows]}

def batches(process, processes):  # seven rows, then six; of two processes four and three, ...
    for rows in (np.arange(7), np.arange(7, 13)):
        yield (batch(np.array_split(rows, processes)[process]),)

def figures(seed, process, processes):
    keras.utils.set_random_seed(seed)
    model = cls(md4keras.networks.Transformer(5, 8, 1, 1, 8, num_classes=3), seed=seed)
    optimizer = keras.optimizers.AdamW(1e-2, use_ema=True, ema_momentum=0.5, global_clipnorm=0.1)
    model.compile(optimizer, micro_batches=2)
    history = model.fit(batches(process, processes), verbose=0).history
    whole = (np.concatenate([np.ravel(keras.ops.convert_to_numpy(v)) for v in model.variables]))
    return [history[name][-1] for name in sorted(history)] + whole.astype(float).tolist()

alone = figures(0, 0, 1)
torch.distributed.init_process_group("gloo", f"file://{file}", rank=process, world_size=2)
shared = figures(process, process, 2)  # the second begins with another seed, and takes the first's
print(json.dumps([alone, shared]))
"""

TENSORFLOW = """
import contextlib, json, sys
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras, numpy as np
import md4keras

cls = getattr(md4keras, sys.argv[1])
rng = np.random.default_rng(0)
mask = np.arange(8) < 1 + np.arange(13)[:, None] % 8
data = {
    "tokens": rng.integers(0, 5, (13, 8)),
    "label": rng.integers(0, 3, 13),
    "padding_mask": mask,
    "sample_weight": rng.random((13, 8)).astype("float32"),
}

def figures(scope):
    keras.utils.set_random_seed(0)
    with scope:
        model = cls(md4keras.networks.Transformer(5, 8, 1, 1, 8, num_classes=3), seed=0)
        how = {"use_ema": True, "ema_momentum": 0.5, "global_clipnorm": 0.1}
        model.compile(keras.optimizers.AdamW(1e-2, **how), micro_batches=2)
    history = model.fit(data, batch_size=7, shuffle=False, verbose=0).history
    numbers = [history[name][-1] for name in sorted(history)]
    numbers += model.evaluate(data, batch_size=6, num_passes=1, verbose=0)  # the last batch: a row
    numbers += [x for variable in model.trainable_variables for x in np.ravel(variable)]
    model.trainable_variables[0].assign(np.full(model.trainable_variables[0].shape, np.nan))
    skipped = model.fit(data, batch_size=7, verbose=0).history["skipped_steps"]
    return [*map(float, numbers), *skipped, int(model.optimizer.iterations.numpy())]

alone = figures(contextlib.nullcontext())
shared = figures(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope())
print(json.dumps([alone, shared]))
"""

REFUSALS = """
import tensorflow as tf
cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
import keras, numpy as np
import md4keras

def train(strategy, **how):
    with strategy.scope():
        model = md4keras.MD4(md4keras.networks.Transformer(5, 8, 1, 1, 8))
        model.compile(keras.optimizers.Adam(1e-3, **how))
    model.fit(np.zeros((4, 8), "int32"), verbose=0)

devices = ["CPU:0", "CPU:1"]
for attempt in (
    lambda: train(tf.distribute.experimental.CentralStorageStrategy(devices)),
    lambda: train(tf.distribute.MirroredStrategy(devices), gradient_accumulation_steps=2),
    lambda: md4keras.distribution.get("data"),
):
    try:
        attempt()
    except ValueError as error:
        print(error)
"""


def start(backend, program, *arguments):
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "2"}
    command = [sys.executable, "-W", "error:::md4keras", "-c", program, *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MD4", "GenMD4"])
def test_processes_of_pytorch_share_a_step(name, tmp_path):
    """Uneven rows, padding, weights, clipping, averages; one process gives the same weights."""
    pytest.importorskip("torch")
    children = [start("torch", TORCH, i, tmp_path / "meeting", name) for i in range(2)]
    outputs = [child.communicate(timeout=300) for child in children]
    for child, (_, errors) in zip(children, outputs, strict=True):
        assert child.returncode == 0, errors[-2000:]
    found = [json.loads(output.splitlines()[-1]) for output, _ in outputs]
    for _, shared in found:
        np.testing.assert_allclose(shared, found[0][0], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MD4", "GenMD4"])
def test_replicas_of_tensorflow_share_a_step(name):
    """Uneven rows, padding, weights, clipping, averages, skipped steps: as without replicas."""
    pytest.importorskip("tensorflow")
    output, errors = start("tensorflow", TENSORFLOW, name).communicate(timeout=600)
    alone, shared = json.loads(output.splitlines()[-1])
    assert alone[-2:] == [2, 2], errors[-2000:]  # steps skipped, and those of before
    np.testing.assert_allclose(shared, alone, rtol=1e-5, atol=1e-5)


def test_what_tensorflow_refuses():
    pytest.importorskip("tensorflow")
    child = start("tensorflow", REFUSALS)
    output, errors = child.communicate(timeout=300)
    assert child.returncode == 0, errors[-2000:]
    assert "Expected a tf.distribute.MirroredStrategy" in output
    assert "Received: gradient_accumulation_steps=2. Call `compile(optimizer" in output
    assert "Expected KERAS_BACKEND=jax. Received: the backend tensorflow" in output
