"""The client against TensorFlow Serving itself, where it or a Docker engine is at hand."""

import contextlib
import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

import numpy as np
import pytest
import yaml

from md4keras import client
from tests.reference import ROOT

pytest.importorskip("tensorflow_serving", reason='pip install "md4keras[serving]"')

from tests.serving_double import ServingDouble
from tests.serving_model import save_small_model

pytestmark = pytest.mark.one_backend

COMPOSE = yaml.safe_load((ROOT / "serving" / "docker-compose.yml").read_text(encoding="utf-8"))
IMAGE = COMPOSE["services"]["model"]["image"]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def docker_runs():
    if shutil.which("docker") is None:
        return False
    return subprocess.run(["docker", "info"], capture_output=True, check=False).returncode == 0


def image_at_hand():
    if subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True).returncode == 0:
        return True
    return subprocess.run(["docker", "pull", "--quiet", IMAGE], check=False).returncode == 0


@contextlib.contextmanager
def binary(folder):
    ports = free_port(), free_port()
    command = [
        "tensorflow_model_server",
        f"--rest_api_port={ports[0]}",
        f"--port={ports[1]}",
        "--model_name=model",
        f"--model_base_path={folder}",
    ]
    process = subprocess.Popen(command)
    try:
        yield ports
    finally:
        process.terminate()
        process.wait(30)


@contextlib.contextmanager
def container(folder):
    ports = free_port(), free_port()
    publish = [f"--publish=127.0.0.1:{a}:{b}" for a, b in zip(ports, (8501, 8500), strict=True)]
    mount = f"--mount=type=bind,source={folder},target=/models/model,readonly"
    command = ["docker", "run", "--rm", "--detach", *publish, mount, IMAGE]
    name = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    try:
        yield ports
    finally:
        subprocess.run(["docker", "stop", name], capture_output=True, check=False)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    folder.chmod(0o755)  # the container runs as another user on some engines
    save_small_model(folder)
    return folder


@pytest.fixture(scope="module")
def addresses(folder):
    """REST's and gRPC's address of a real server that has loaded the small model."""
    if shutil.which("tensorflow_model_server"):
        start = binary
    elif not docker_runs():
        pytest.skip(
            "neither tensorflow_model_server on PATH nor a Docker engine; install Docker, or "
            "TensorFlow Serving (https://www.tensorflow.org/tfx/serving/setup)"
        )
    elif not image_at_hand():
        pytest.skip(f"the image cannot be pulled; run: docker pull {IMAGE}")
    else:
        start = container
    with start(folder) as (rest, grpc):
        address = f"http://127.0.0.1:{rest}/v1/models/model"
        wait_until_loaded(address)
        yield address, f"grpc://127.0.0.1:{grpc}/model"


def wait_until_loaded(address):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, ValueError):
            with urllib.request.urlopen(address, timeout=5) as response:
                if '"AVAILABLE"' in response.read().decode():
                    return
        time.sleep(0.5)
    pytest.fail("the server did not load the model within two minutes")


REQUESTS = (
    ("generate", {"num_samples": 3, "seed": 2**40}),
    ("generate", {"num_samples": 3, "num_steps": 7, "temperature": 0.5}),
    ("generate_text", {"num_samples": 2, "seed": 1}),
    ("infill", {"tokens": [[0, 1, 2, 2]], "mask": [[True, False, False, True]]}),
    ("infill_text", {"text": ["a __ sät", ""]}),
    ("serving_default", {"tokens": [[0, 1, 2, 2]], "time": [1 / 3]}),
)


@pytest.mark.parametrize("signature, inputs", REQUESTS)
def test_answers_are_those_of_the_stand_in(addresses, folder, signature, inputs):
    with ServingDouble(folder) as double:
        expected = client.request(double.rest_address, signature, inputs)
    for address in addresses:
        answer = client.request(address, signature, inputs, timeout=60)
        assert answer.keys() == expected.keys()
        for name in expected:
            np.testing.assert_array_equal(answer[name], expected[name])


def test_refusals_are_those_of_the_stand_in(addresses, folder):
    with ServingDouble(folder) as double:
        stand_in = double.rest_address, double.grpc_address
        for real, imitated in zip(addresses, stand_in, strict=True):
            other = real[: real.rindex("/") + 1] + "nothing"
            for address, inputs in ((real, {"num_samples": 9}), (other, {"num_samples": 1})):
                with pytest.raises(client.ServingError) as caught:
                    client.request(address, "generate", inputs, timeout=60)
                copied = address.replace(real[: real.rindex("/")], imitated[: imitated.rindex("/")])
                with pytest.raises(client.ServingError) as expected:
                    client.request(copied, "generate", inputs, timeout=60)
                assert caught.value.status == expected.value.status
    with pytest.raises(client.ServingError, match="num_samples must be at most 8"):
        client.request(addresses[0], "generate", {"num_samples": 9}, timeout=60)


def test_json_demands_every_input(addresses):
    """The reason that the client fills in defaults; without it, this could go."""
    document = {"signature_name": "generate_text", "inputs": {"num_samples": 1}}
    query = urllib.request.Request(addresses[0] + ":predict", json.dumps(document).encode())
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(query, timeout=60)
    assert "Missing named input: seed" in json.load(caught.value)["error"]
