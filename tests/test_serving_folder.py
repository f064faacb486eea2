"""Files in serving/: Docker Compose and TensorFlow Serving can read them."""

import re
import subprocess

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from tests.reference import ROOT

pytestmark = pytest.mark.one_backend

FOLDER = ROOT / "serving"
COMPOSE = yaml.safe_load((FOLDER / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]


def batching_parameters():
    """The message of `session_bundle_config.proto`, which tensorflow-serving-api leaves out."""
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", package="t", syntax="proto3")
    file.dependency.append("google/protobuf/wrappers.proto")
    message = file.message_type.add(name="BatchingParameters")
    fields = {
        "max_batch_size": 1,
        "batch_timeout_micros": 2,
        "max_enqueued_batches": 3,
        "num_batch_threads": 4,
    }
    for name, number in fields.items():
        wrapper = ".google.protobuf.Int64Value"
        message.field.add(name=name, number=number, label=1, type=11, type_name=wrapper)
    message.field.add(name="allowed_batch_sizes", number=6, label=3, type=3)
    message.field.add(name="pad_variable_length_inputs", number=7, label=1, type=8)
    pool = descriptor_pool.DescriptorPool()
    wrappers = descriptor_pb2.FileDescriptorProto()
    descriptor_pool.Default().FindFileByName("google/protobuf/wrappers.proto").CopyToProto(wrappers)
    pool.Add(wrappers)
    pool.Add(file)
    descriptor = pool.FindMessageTypeByName("t.BatchingParameters")
    return message_factory.GetMessageClass(descriptor)()


def test_batching_is_read_as_the_servers_message():
    import google.protobuf.wrappers_pb2  # noqa: F401  (its description goes into the pool)

    text = (FOLDER / "batching.config").read_text(encoding="utf-8")
    parameters = text_format.Parse(text, batching_parameters())
    sizes = list(parameters.allowed_batch_sizes)
    assert sizes == sorted(set(sizes)) and sizes[-1] == parameters.max_batch_size.value
    assert parameters.num_batch_threads.value >= 1
    assert parameters.batch_timeout_micros.value > 0 and parameters.max_enqueued_batches.value > 0


class TestCompose:
    @pytest.mark.parametrize("name", SERVICES)
    def test_is_open_on_this_machine_alone(self, name):
        ports = SERVICES[name]["ports"]
        assert len(ports) == 2 and all(port.startswith("127.0.0.1:") for port in ports)

    @pytest.mark.parametrize("name", SERVICES)
    def test_mounts_are_read_only_and_must_exist(self, name):
        for volume in SERVICES[name]["volumes"]:
            assert volume["type"] == "bind" and volume["read_only"]
            assert volume["bind"] == {"create_host_path": False}
            if not volume["source"].startswith("${"):
                assert (FOLDER / volume["source"]).is_file()

    @pytest.mark.parametrize("name", SERVICES)
    def test_the_image_is_pinned(self, name):
        assert re.fullmatch(r"tensorflow/serving:\d+\.\d+\.\d+(-gpu)?", SERVICES[name]["image"])

    def test_only_the_denoiser_batches(self):
        # What generate, infill and score take as single values, batching refuses.
        batching = {n for n, s in SERVICES.items() if "--enable_batching" in s["command"]}
        assert batching == {"denoiser"} and SERVICES["denoiser"]["profiles"] == ["denoiser"]
        (config,) = (
            flag.partition("=")[2]
            for flag in SERVICES["denoiser"]["command"]
            if flag.startswith("--batching_parameters_file=")
        )
        assert config in {volume["target"] for volume in SERVICES["denoiser"]["volumes"]}

    def test_one_service_starts_by_itself(self):
        assert [name for name in SERVICES if "profiles" not in SERVICES[name]] == ["model"]

    def test_health_check_tells_a_loaded_model(self, tmp_path):
        pytest.importorskip("tensorflow_serving", reason='pip install "md4keras[serving]"')
        from tests.serving_double import ServingDouble
        from tests.serving_model import save_small_model

        save_small_model(tmp_path)
        command = SERVICES["model"]["healthcheck"]["test"]
        assert command[0] == "CMD"

        def check(port, name):
            script = command[-1].replace("8501", str(port)).replace("models/model", name)
            return subprocess.run([*command[1:-1], script], timeout=30, check=False).returncode

        with ServingDouble(tmp_path) as server:
            assert check(server.rest_port, "models/model") == 0
            assert check(server.rest_port, "models/other") != 0
        assert check(server.rest_port, "models/model") != 0
