"""The layouts over several devices give the figures and tokens of one device.

On simulated devices, in processes of their own: their number is set before JAX starts.
"""

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import md4keras

pytestmark = pytest.mark.one_backend  # Keras has layouts on JAX
ROOT = Path(__file__).parents[2]
SLOW = pytest.mark.slow


def start(devices, *arguments):
    """A process of `tests.models.on_devices`."""
    flags = {"XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}"}
    command = [sys.executable, "-W", "error:::md4keras", "-m", "tests.models.on_devices"]
    return subprocess.Popen(
        [*command, *map(str, arguments)],
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": "jax", **flags},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check_same(*children):
    """All processes' figures are those of one device; returns a list of what the first printed."""
    outputs = [child.communicate(timeout=1800) for child in children]
    for child, (_, errors) in zip(children, outputs, strict=True):
        assert child.returncode == 0, errors[-3000:]
    lines = [re.findall(r'^{"alone".*', output, re.M) for output, _ in outputs]
    found = [[json.loads(line) for line in each] for each in lines]
    for each in sum(found, []):
        np.testing.assert_allclose(each["shared"], each["alone"], rtol=1e-5, atol=1e-5)
        assert each["tokens"] == [found[0][0]["tokens"][0]] * 2
    return found[0]


def check_bytes(layout, found, devices=8):
    """How much of weights, optimizer and averages lies on one device."""
    whole, most = found["bytes"]
    if layout == "sharded":  # a few numbers do not divide
        assert most < 1.02 * whole / devices
    elif layout == "tensor":  # of four devices; what is normalised or conditions is whole on each
        assert most < 0.7 * whole
    else:
        assert most == whole


def test_every_layout_gives_what_one_device_gives():
    """A short look: `fit` with batches that are filled up, padding and weights."""
    layouts = md4keras.distribution.LAYOUTS
    found = check_same(start(4, "MD4", "Transformer", ",".join(layouts), "least"))
    for layout, each in zip(layouts, found, strict=True):
        check_bytes(layout, each, devices=4)


@SLOW
@pytest.mark.parametrize("layout", md4keras.distribution.LAYOUTS)
@pytest.mark.parametrize(
    "model, network",
    [
        ("MD4", "Transformer"),
        ("GenMD4", "Transformer"),
        ("MD4", "UNet"),
        ("GenMD4", "UViT"),
    ],
)
def test_eight_devices_give_what_one_gives(layout, model, network):
    """Uneven batches, padding, weights; `fit`, `evaluate`, `score`, and what is drawn."""
    (found,) = check_same(start(8, model, network, layout, "all"))
    check_bytes(layout, found)


@SLOW
@pytest.mark.parametrize(
    "layout, model, ways",
    [
        ("data", "MD4", "few"),
        ("data", "GenMD4", "all"),
        ("sharded", "GenMD4", "all"),
        ("tensor", "MD4", "all"),
    ],
)
def test_two_processes_give_what_one_device_gives(layout, model, ways):
    """Each with four devices and its own rows, uneven at the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    check_same(*(start(4, model, "Transformer", layout, ways, i, address) for i in range(2)))


class TestArguments:
    """On the one device of this process."""

    def test_more_devices_than_there_are(self):
        with pytest.raises(ValueError, match="Expected at most 1. Received: devices=3.*XLA_FLAGS"):
            md4keras.distribution.get("data", 3)
        with pytest.raises(ValueError, match="no such devices.*devices=.'gpu:7'"):
            md4keras.distribution.get("data", ["gpu:7"])

    def test_layouts_have_names(self):
        with pytest.raises(ValueError, match="layout='rows'"):
            md4keras.distribution.get("rows")

    def test_groups_are_of_the_tensor_layout_and_divide_the_devices(self):
        with pytest.raises(ValueError, match="Received: layout='data', model_devices=2"):
            md4keras.distribution.get("data", model_devices=2)
        with pytest.raises(ValueError, match="Expected a divisor of 1. Received: model_devices=2"):
            md4keras.distribution.get("tensor", model_devices=2)

    def test_processes_are_told_all_or_nothing(self):
        with pytest.raises(ValueError, match="coordinator=None, num_processes=2, process=0"):
            md4keras.distribution.start_processes(None, 2, 0)
        with pytest.raises(ValueError, match="process"):
            md4keras.distribution.start_processes("127.0.0.1:9", 2, 2)

    def test_heads_that_the_groups_cannot_share(self):
        mesh = keras.distribution.DeviceMesh((1, 1), ("batch", "model"), ["cpu:0"])
        layout = md4keras.distribution.TensorParallel(mesh)
        mesh._shape = (1, 2)  # as if there were two
        network = md4keras.networks.Transformer(5, 8, 1, 3, 8)
        with pytest.raises(ValueError, match="num_heads=3, model_devices=2. Give model_devices=1"):
            layout.check_network(network)
        network = md4keras.networks.Llama(5, 8, 1, 4, 16, 24, num_key_value_heads=1)
        with pytest.raises(ValueError, match="num_key_value_heads=1, model_devices=2"):
            layout.check_network(network)

    def test_alone_there_is_one_part(self):
        assert md4keras.distribution.data_shard() == (0, 1)
        assert md4keras.distribution.batch_parts() == 1
        assert md4keras.distribution.is_first_process()
