"""The client of served models, against the server's protocols on a real SavedModel."""

import json
import re
import socket
import subprocess
import sys
import urllib.request

import numpy as np
import pytest

from md4keras import client
from md4keras.client.ask import parse_address
from md4keras.client.signatures import convert, read_signatures

pytest.importorskip("tensorflow_serving", reason='pip install "md4keras[serving]"')

from tensorflow.core.framework import tensor_pb2

from tests import local_server
from tests.reference import ROOT
from tests.serving_double import ServingDouble
from tests.serving_model import save_small_model

pytestmark = pytest.mark.one_backend


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    save_small_model(folder)
    return folder


@pytest.fixture(scope="module")
def server(folder):
    with ServingDouble(folder) as double:
        yield double


@pytest.fixture(params=["rest", "grpc"])
def address(request, server):
    return {"rest": server.rest_address, "grpc": server.grpc_address}[request.param]


def post(server, document):
    """A request as curl sends it, without the client."""
    query = urllib.request.Request(
        server.rest_address + ":predict", json.dumps(document).encode(), method="POST"
    )
    try:
        with urllib.request.urlopen(query, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


class TestAnswers:
    def test_arrays_have_the_dtypes_of_the_signature(self, address):
        answer = client.request(address, "generate", {"num_samples": 3, "seed": 2**40})
        assert {name: (a.dtype.name, a.shape) for name, a in answer.items()} == {
            "tokens": ("int32", (3, 4)),
            "network_calls": ("int32", ()),
            "temperature": ("float32", ()),
        }
        assert answer["tokens"].min() >= 0 and answer["tokens"].max() <= 2

    def test_what_is_left_out_takes_the_models_defaults(self, address, server):
        answer = client.request(address, "generate", {"num_samples": 2})
        assert answer["network_calls"] == 5 and answer["temperature"] == np.float32(0.9)
        explicit = {"num_samples": 2, "seed": 0, "num_steps": 7, "temperature": 0.5}
        other = client.request(address, "generate", explicit)
        np.testing.assert_array_equal(other["tokens"], answer["tokens"])
        assert other["network_calls"] == 7 and other["temperature"] == 0.5

    def test_both_ways_give_the_same(self, server):
        for name, inputs in (
            ("generate", {"num_samples": 4, "seed": 7}),
            ("generate_text", {"num_samples": 4, "seed": 7}),
            ("serving_default", {"tokens": [[0, 1, 2, 2]], "time": [1 / 3]}),
        ):
            rest = client.request(server.rest_address, name, inputs)
            grpc = client.request(server.grpc_address, name, inputs)
            assert rest.keys() == grpc.keys()
            for key in rest:
                np.testing.assert_array_equal(rest[key], grpc[key])  # floats to the last bit
                assert rest[key].dtype == grpc[key].dtype

    def test_given_tokens_stay(self, address):
        tokens = np.full((2, 4), 7)  # int64 here, int32 there
        mask = np.array([[True, False, False, True], [False] * 4])
        filled = client.request(address, "infill", {"tokens": tokens, "mask": mask})["tokens"]
        assert (filled[~mask] == 7).all() and (filled[mask] != 7).all()

    def test_strings(self, address):
        texts = ["a ____ sät", "", 'quote " and \\', "two\nlines", "日本"]
        answer = client.request(address, "infill_text", {"text": texts})
        assert answer["text"].tolist() == [text.replace("_", "a") for text in texts]
        assert answer["text_bytes"].tolist() == texts

    def test_bytes_that_are_no_text(self, address):
        answer = client.request(address, "infill_text", {"text": [b"a\xff_", "b"]})
        assert answer["text"].tolist() == ["a\ufffda", "b"]
        assert answer["text_bytes"].tolist() == ["a\ufffd_", "b"]

    def test_one_version(self, address):
        versioned = address + ("/versions/1" if address.startswith("http") else "/1")
        assert client.request(versioned, "generate_text", {"num_samples": 2})["text"].size == 2


class TestMistakes:
    def test_names_are_checked_before_anything_runs(self, address, server):
        before = len(server.requests)
        with pytest.raises(ValueError, match="'generate', 'generate_text'.*signature='sample'"):
            client.request(address, "sample")
        with pytest.raises(ValueError, match="no input 'steps'.*num_steps int32 \\[\\] = 5"):
            client.request(address, "generate", {"num_samples": 1, "steps": 3})
        with pytest.raises(ValueError, match="needs 'num_samples'.*num_samples int32 \\[\\], "):
            client.request(address, "generate", {"seed": 1})
        with pytest.raises(ValueError, match="'seed' is int64 \\[\\].*seed='x'"):
            client.request(address, "generate", {"num_samples": 1, "seed": "x"})
        with pytest.raises(ValueError, match="is int32 \\[\\?, 4\\]"):
            client.request(address, "serving_default", {"tokens": [[1, 2]], "time": [0.5]})
        assert len(server.requests) == before

    def test_limits_of_the_model_come_back_as_invalid_argument(self, address):
        with pytest.raises(client.ServingError) as caught:
            client.request(address, "generate", {"num_samples": 9})
        assert caught.value.status == "INVALID_ARGUMENT"
        assert "num_samples must be at most 8" in caught.value.message
        assert "{{node" not in caught.value.message
        client.request(address, "generate", {"num_samples": 8})  # and the server lives on

    def test_unknown_models_and_versions(self, address):
        rest = address.startswith("http")
        for unknown in (
            address.replace("/model", "/nothing") if not rest else address[:-5] + "nothing",
            address + ("/versions/9" if rest else "/9"),
        ):
            with pytest.raises(client.ServingError, match="Servable not found") as caught:
                client.request(unknown, "generate", {"num_samples": 1})
            assert caught.value.status == "NOT_FOUND"

    @pytest.mark.parametrize("form", ["http://127.0.0.1:{}/v1/models/m", "grpc://127.0.0.1:{}/m"])
    def test_nobody_answers(self, form):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))  # taken, and not listening
            with pytest.raises(client.ServingError, match="No server answers at 127") as caught:
                client.request(form.format(free.getsockname()[1]), timeout=10)
        assert caught.value.status == "UNAVAILABLE"

    @pytest.mark.parametrize("way", ["rest", "grpc"])
    def test_time_is_up(self, folder, way):
        with ServingDouble(folder, delay=2.0) as slow:
            address = getattr(slow, f"{way}_address")
            with pytest.raises(client.ServingError, match="No answer within") as caught:
                client.request(address, "generate", {"num_samples": 1}, timeout=0.8)
        assert caught.value.status == "DEADLINE_EXCEEDED"

    @pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
    def test_timeouts_are_positive(self, timeout):
        with pytest.raises(ValueError, match="positive number of seconds"):
            client.request("http://localhost/v1/models/m", timeout=timeout)

    def test_a_missing_package_is_named(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", None)
        with pytest.raises(ImportError, match='pip install "md4keras\\[serving\\]"'):
            client.request("grpc://localhost:8500/m")


class TestDouble:
    """The stand-in behaves as the server's source says, so that it stands for something."""

    def test_json_demands_every_input(self, server):
        status, answer = post(
            server, {"signature_name": "generate_text", "inputs": {"num_samples": 1}}
        )
        assert status == 400 and answer["error"] == "Missing named input: seed in 'inputs' object."

    def test_columns_and_rows(self, server):
        columns = {"tokens": [[0, 1, 2, 0]] * 2, "time": [1.0, 2]}
        status, answer = post(server, {"inputs": columns})
        assert status == 200 and np.shape(answer["outputs"]) == (2, 4, 3)  # one output, no name
        rows = [{"tokens": [0, 1, 2, 0], "time": 1.0}, {"tokens": [0, 1, 2, 0], "time": 2}]
        assert post(server, {"instances": rows}) == (200, {"predictions": answer["outputs"]})
        status, answer = post(server, {"instances": ["a_"], "signature_name": "infill_text"})
        assert (status, answer) == (
            200,
            {"predictions": [{"text": "aa", "text_bytes": {"b64": "YV8="}}]},
        )

    @pytest.mark.parametrize(
        "document, words",
        [
            ({"inputs": {"tokens": [[0, 1.0, 2, 0]], "time": [1]}}, "not of expected type: int32"),
            ({"inputs": {"tokens": [[0, 1, 2], [0]], "time": [1]}}, "at unexpected size"),
            ({"inputs": [1]}, "expecting an object"),
            ({"instances": [{"tokens": [0, 1, 2, 0]}]}, "keys must be equal to: time,tokens"),
            ({}, "Missing 'inputs' or 'instances' key"),
            ({"signature_name": "no", "inputs": {}}, "not found in signature def"),
            ([], "Is not object"),
        ],
    )
    def test_bad_json(self, server, document, words):
        status, answer = post(server, document)
        assert status == 400 and words in answer["error"]

    def test_batching_refuses_scalars(self, folder):
        with ServingDouble(folder, batching=True) as batching:
            for address in (batching.rest_address, batching.grpc_address):
                client.request(address, inputs={"tokens": [[0, 1, 2, 0]], "time": [1]})
                with pytest.raises(client.ServingError, match="at least one dimension"):
                    client.request(address, "generate", {"num_samples": 1})

    def test_grpc_fills_in_defaults(self, server):
        import grpc
        from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

        message = predict_pb2.PredictRequest()
        message.model_spec.name, message.model_spec.signature_name = "model", "generate"
        message.inputs["num_samples"].dtype = 3
        message.inputs["num_samples"].int_val.append(2)
        with grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}") as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            assert stub.Predict(message).outputs["network_calls"].int_val[0] == 5


class TestAddresses:
    def test_parts(self):
        rest = parse_address("https://host/proxied/v1/models/a%20b/versions/12")
        assert (rest.scheme, rest.port, rest.prefix) == ("https", None, "/proxied")
        assert (rest.name, rest.version) == ("a%20b", 12)
        rpc = parse_address("grpc://[::1]:8500/a%20b/3")
        assert (rpc.host, rpc.port, rpc.name, rpc.version) == ("[::1]", 8500, "a b", 3)
        assert parse_address("http://host:8501/v1/models/m/").version is None

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "localhost:8501",
            "http://localhost:8501",
            "http://localhost:8501/v1/models/",
            "http://localhost:8501/v1/models/m:predict",
            "http://localhost:8501/v1/models/m/metadata",
            "http://localhost:8501/v1/models/m?x=1",
            "http://user:word@localhost:8501/v1/models/m",
            "http://localhost:99999/v1/models/m",
            "http://[::1/v1/models/m",
            "http:///v1/models/m",
            "http://localhost/v1/models/m m",
            "http://localhost/v1/models/m\r\nX: y",
            "grpc://localhost/m",
            "grpc://localhost:8500",
            "grpc://localhost:8500/m/one",
            "ftp://localhost:8501/v1/models/m",
        ],
    )
    def test_mistakes(self, text):
        with pytest.raises(ValueError, match="Write http://HOST:8501/v1/models/NAME"):
            parse_address(text)


class TestValues:
    @pytest.mark.parametrize(
        "value, dtype, expected",
        [
            (4.0, "DT_INT32", 4),
            (2**63 - 1, "DT_INT64", 2**63 - 1),
            (2**63, "DT_UINT64", 2**63),
            (np.int8(-3), "DT_FLOAT", -3.0),
            (0.1, "DT_FLOAT", np.float32(0.1)),
            (float("inf"), "DT_FLOAT", np.inf),
            (True, "DT_BOOL", True),
            ("é", "DT_STRING", "é".encode()),
            (np.str_("a"), "DT_STRING", b"a"),
            (b"\x00\xff\x00", "DT_STRING", b"\x00\xff\x00"),
        ],
    )
    def test_nothing_is_lost(self, value, dtype, expected):
        assert convert("x", value, dtype, ()).item() == expected

    @pytest.mark.parametrize(
        "value, dtype",
        [
            (4.5, "DT_INT32"),
            (float("nan"), "DT_INT32"),
            (float("inf"), "DT_INT64"),
            (2**31, "DT_INT32"),
            (-1, "DT_UINT8"),
            (2.0**63, "DT_INT64"),
            (2**63, "DT_INT64"),
            (2**70, "DT_INT64"),
            (True, "DT_INT32"),
            ("4", "DT_INT32"),
            (None, "DT_INT32"),
            (1j, "DT_FLOAT"),
            (1e39, "DT_FLOAT"),
            (2**24 + 1, "DT_FLOAT"),
            (1, "DT_BOOL"),
            ("true", "DT_BOOL"),
            (4, "DT_STRING"),
            (None, "DT_STRING"),
            ("\ud800", "DT_STRING"),
            (1.0, "DT_BFLOAT16"),
        ],
    )
    def test_what_would_change_is_refused(self, value, dtype):
        with pytest.raises(ValueError, match="Received: x="):
            convert("x", value, dtype, ())

    @pytest.mark.parametrize(
        "value, dtype, shape, mend",
        [
            ([[1, 2], [3]], "DT_INT32", (None, None), "Give values that fit"),
            ([1, 2], "DT_INT32", (), "Give a single value"),
            (1, "DT_INT32", (None,), "Give a list"),
            ("a", "DT_STRING", (None,), "Give a list"),
            ([1], "DT_INT32", (None, 4), "nested 2 deep"),
            ([[1]], "DT_INT32", (None, 4), "as many values as the model takes"),
            (["a", 1], "DT_STRING", (None,), "1 is no string"),
        ],
    )
    def test_shapes(self, value, dtype, shape, mend):
        with pytest.raises(ValueError, match=mend):
            convert("x", value, dtype, shape)

    def test_any_shape(self):
        assert convert("x", [[1, 2]], "DT_INT32", None).shape == (1, 2)
        assert convert("x", [], "DT_INT32", (None,)).dtype == np.int32


class TestMetadata:
    def read(self, proto):
        signature = {
            "inputs": {"x": {"dtype": proto["dtype"], "tensor_shape": {"unknown_rank": True}}},
            "defaults": {"x": proto},
        }
        metadata = {"metadata": {"signature_def": {"signature_def": {"s": signature}}}}
        return read_signatures(metadata)["s"].defaults["x"]

    def test_forms_of_a_default(self):
        shape = {"dim": [{"size": "3"}]}
        content = {"dtype": "DT_INT32", "tensor_shape": shape, "tensor_content": "AQAAAAIAAAADAAAA"}
        assert self.read(content).tolist() == [1, 2, 3]
        repeated = {"dtype": "DT_FLOAT", "tensor_shape": shape, "float_val": [1, "NaN"]}
        np.testing.assert_array_equal(self.read(repeated), [1, np.nan, np.nan])
        zeros = {"dtype": "DT_INT64", "tensor_shape": shape}
        assert self.read(zeros).tolist() == [0, 0, 0]
        empty = {"dtype": "DT_STRING", "tensor_shape": {"dim": [{}]}}
        assert self.read(empty).tolist() == []
        text = {"dtype": "DT_STRING", "tensor_shape": {}, "string_val": ["YQ=="]}
        assert self.read(text).item() == b"a"
        truth = {"dtype": "DT_BOOL", "tensor_shape": {}, "bool_val": [True]}
        assert self.read(truth).item() is True

    @pytest.mark.parametrize(
        "metadata",
        [
            None,
            [],
            {"metadata": {}},
            {"metadata": {"signature_def": {"signature_def": {"s": 3}}}},
            {"metadata": {"signature_def": {"signature_def": {"s": {"inputs": {"x": {}}}}}}},
        ],
    )
    def test_something_else(self, metadata):
        with pytest.raises(client.ServingError, match="as TensorFlow Serving does"):
            read_signatures(metadata)

    def test_a_default_cannot_fill_the_memory(self):
        huge = {"dtype": "DT_INT32", "tensor_shape": {"dim": [{"size": "99999999"}]}}
        with pytest.raises(client.ServingError, match="99999999 values"):
            self.read(huge)


class TestOtherServers:
    """What listens there may be anything."""

    @pytest.fixture
    def respond(self):
        answers = []

        class Handler(local_server.Handler):
            def do_GET(self):
                status, body = answers[0]
                self.send_response(status)
                self.send_header("Location", "http://example.org/")
                self.end_headers()
                self.wfile.write(body)

        def respond(status, body):
            answers[:] = [(status, body)]
            with pytest.raises(client.ServingError) as caught:
                client.request(f"{address}/v1/models/m", timeout=30)
            return str(caught.value)

        with local_server.serving(Handler) as address:
            yield respond

    def test_answers_that_are_none(self, respond):
        assert respond(200, b"<html>").startswith("INTERNAL: The answer is no JSON")
        assert respond(200, b"[" * 100_000).startswith("INTERNAL: The answer is no JSON")
        assert respond(200, b"{}").startswith("INTERNAL: What answers there")
        assert respond(502, b"<p>Bad\n gateway</p>") == "HTTP_502: HTTP 502: <p>Bad gateway</p>"
        assert respond(302, b"").startswith("HTTP_302")  # not followed
        assert respond(503, b'{"error": "loading"}') == "UNAVAILABLE: loading"

    def test_length_is_bounded(self, respond, monkeypatch):
        monkeypatch.setattr("md4keras.client.servers.MAX_METADATA_BYTES", 2**20)
        assert respond(200, b" " * 2**21).startswith("RESOURCE_EXHAUSTED: The answer is longer")

    def test_a_shape_cannot_fill_the_memory(self, server, monkeypatch):
        """gRPC's messages may leave out values that repeat; a terabyte of them is none."""

        def huge(array, dtype):
            proto = tensor_pb2.TensorProto(dtype=dtype, int_val=[1])
            proto.tensor_shape.dim.add(size=2**40)
            return proto

        monkeypatch.setattr("tests.serving_double.to_proto", huge)
        with pytest.raises(client.ServingError, match="INTERNAL.*too few values"):
            client.request(server.grpc_address, "generate", {"num_samples": 1}, timeout=60)

    def test_silence_and_noise(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            for address in (f"http://127.0.0.1:{port}/v1/models/m", f"grpc://127.0.0.1:{port}/m"):
                with pytest.raises(client.ServingError) as caught:
                    client.request(address, timeout=0.5)
                assert caught.value.status in ("DEADLINE_EXCEEDED", "UNAVAILABLE")

    def test_the_other_protocol(self, server):
        with pytest.raises(client.ServingError, match="UNAVAILABLE"):
            client.request(f"http://127.0.0.1:{server.grpc_port}/v1/models/model", timeout=10)
        with pytest.raises(client.ServingError):
            client.request(f"grpc://127.0.0.1:{server.rest_port}/model", timeout=5)
        with pytest.raises(client.ServingError, match="UNAVAILABLE"):
            client.request(f"https://127.0.0.1:{server.rest_port}/v1/models/model", timeout=10)


def test_the_programs_in_the_documentation_run(server, capsys):
    text = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    programs = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    for program in programs:
        program = program.replace("localhost:8501", f"127.0.0.1:{server.rest_port}")
        exec(program.replace("localhost:8500", f"127.0.0.1:{server.grpc_port}"), {})
    assert len(programs) == 2 and len(capsys.readouterr().out.splitlines()) == 2


def test_client_leaves_tensorflow_alone(server):
    """By REST, nothing is needed but what md4keras needs anyway."""
    program = (
        "import sys; from md4keras import client\n"
        f"answer = client.request('{server.rest_address}', 'generate_text', {{'num_samples': 2}})\n"
        "assert answer['text'].size == 2\n"
        "print(sorted({'tensorflow', 'grpc', 'tensorflow_serving'} & set(sys.modules)))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr
