"""A denoiser gives the same logits in ONNX Runtime, OpenVINO and LiteRT as in md4keras."""

import importlib.util
import json
import os
import subprocess
import sys
import types

import keras
import numpy as np
import pytest

import md4keras
from md4keras.export import FORMATS, export_denoiser
from md4keras.networks import Transformer, UNet
from tests.reference import ROOT, array

# OpenVINO reports its use over the network when it is imported; without this it cannot.
sys.modules.setdefault("openvino_telemetry", None)

SUFFIXES = {"onnx": ".onnx", "openvino": ".xml", "litert": ".tflite"}
LENGTH = 6

BUILD_ALL = """
import json, sys
from md4keras.export.build_denoiser import build
for order in json.load(sys.stdin):
    build(order)
"""


def text_model():
    """Text, with time."""
    return spread(md4keras.MD4(Transformer(7, LENGTH, num_layers=1, num_heads=2, feature_dim=8)))


def class_model():
    """Text in three classes, with guidance and time."""
    network = Transformer(
        5, LENGTH, num_layers=1, num_heads=2, feature_dim=8, num_classes=3, label_dropout=0.1
    )
    return spread(md4keras.GenMD4(network))


def image_model():
    """Images, without time."""
    return spread(md4keras.MD4(UNet(5, (4, 4, 1), 0, feature_dim=64, time_features="none")))


MODELS = {"classes": class_model, "image": image_model}


def spread(model):
    """Gives all weights values, so that logits depend on the inputs."""
    generator = np.random.default_rng(0)
    for weight in model.network.trainable_variables:
        weight.assign(0.2 * generator.standard_normal(weight.shape))
    return model


def some_inputs(network, batch_size, length=LENGTH):
    """Inputs of a network, by name; the first row masked entirely, at time 1."""
    generator = np.random.default_rng(batch_size)
    shape = network.data_shape if len(network.data_shape) > 1 else (length,)
    tokens = generator.integers(0, network.vocabulary_size + 1, (batch_size, *shape), "int32")
    tokens[0] = network.mask_token
    inputs = {"tokens": tokens}
    if network.time_conditioned:
        inputs["time"] = np.linspace(1.0, 0.0, batch_size, dtype="float32")
    if network.num_classes:
        inputs["label"] = (np.arange(batch_size, dtype="int32") + 3) % 4  # 3: no label
    return inputs


def predicted(model, inputs):
    """What the model itself says."""
    return array(model.predict_logits(inputs["tokens"], inputs.get("time"), inputs.get("label")))


def run_onnx(path, inputs):
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert {each.name for each in session.get_inputs()} == set(inputs)
    (logits,) = session.run(["logits"], inputs)
    return logits


def run_openvino(path, inputs):
    import openvino

    # Some processors compute in bfloat16 unless told otherwise.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    return openvino.Core().compile_model(path, "CPU", exact)(inputs)["logits"]


def run_litert(path, inputs):
    from ai_edge_litert.interpreter import Interpreter

    return Interpreter(str(path)).get_signature_runner()(**inputs)["logits"]


RUN = {"onnx": run_onnx, "openvino": run_openvino, "litert": run_litert}


def check_logits(model, format, path, batch_size, length=LENGTH):
    inputs = some_inputs(model.network, batch_size, length)
    logits = RUN[format](path, inputs)
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, predicted(model, inputs), atol=1e-5, rtol=1e-5)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """The models, and the folder with all their exports, which one child made."""
    folder = tmp_path_factory.mktemp("runtimes")
    models, orders = {}, []
    for name, build in MODELS.items():
        models[name] = build()
        saved = str(md4keras.save_model(models[name], folder / f"{name}_model"))
        for format in FORMATS:
            target = str(folder / f"{name}{SUFFIXES[format]}")
            orders.append({"model": saved, "target": target, "format": format, "verbose": False})
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    subprocess.run(
        [sys.executable, "-c", BUILD_ALL],
        input=json.dumps(orders),
        env=environment | {"PYTHONPATH": path},
        text=True,
        check=True,
    )
    return models, folder


@pytest.mark.slow
@pytest.mark.one_backend
@pytest.mark.xdist_group("runtimes")
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("batch_size, length", [(1, LENGTH), (3, 9)])
def test_logits_are_the_models_at_any_size(exported, name, format, batch_size, length):
    models, folder = exported
    check_logits(models[name], format, folder / f"{name}{SUFFIXES[format]}", batch_size, length)


@pytest.mark.xdist_group("runtimes")
@pytest.mark.parametrize("format", FORMATS)
def test_every_backend_exports(tmp_path, capfd, format):
    model, folder = text_model(), tmp_path / "new" / "folder"
    path = folder / f"text{SUFFIXES[format]}"
    source = model
    if format == "openvino":  # from a saved model, onto other files
        source = md4keras.save_model(model, tmp_path / "model")
        folder.mkdir(parents=True)
        path.write_text("old")
        path.with_suffix(".bin").write_text("old")
    assert export_denoiser(source, path) == path
    assert "Exported to" in capfd.readouterr().out
    written = ["text.bin", "text.xml"] if format == "openvino" else [path.name]
    assert sorted(os.listdir(folder)) == written
    assert sorted(os.listdir(tmp_path)) == (["model"] if source is not model else []) + ["new"]
    check_logits(model, format, path, 3)


@pytest.mark.one_backend
@pytest.mark.xdist_group("runtimes")
class TestFiles:
    def test_a_conversion_that_fails_leaves_what_was_there(self, tmp_path, monkeypatch):
        (tmp_path / "broken").mkdir()
        (tmp_path / "broken" / "tf2onnx.py").write_text("raise ValueError('no such operation')")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"), prepend=os.pathsep)
        path = tmp_path / "out" / "text.onnx"
        path.parent.mkdir()
        path.write_text("old")
        with pytest.raises(RuntimeError, match="(?s)nothing was written.*no such operation"):
            export_denoiser(text_model(), path, verbose=False)
        assert os.listdir(path.parent) == ["text.onnx"] and path.read_text() == "old"

    @pytest.mark.slow
    def test_onnx_names_the_open_sizes(self, exported):
        import onnx

        graph = onnx.load(exported[1] / "classes.onnx").graph
        sizes = {
            each.name: [
                size.dim_param or size.dim_value for size in each.type.tensor_type.shape.dim
            ]
            for each in (*graph.input, *graph.output)
        }
        assert sizes == {
            "tokens": ["batch", "length"],
            "time": ["batch"],
            "label": ["batch"],
            "logits": ["batch", "length", 5],
        }


@pytest.mark.one_backend
class TestRefused:
    def refuse(self, path, match, format=None, error=ValueError):
        with pytest.raises(error, match=match):
            export_denoiser(None, path, format)

    def test_formats(self, tmp_path):
        self.refuse(tmp_path / "a.onnx", "Unknown `format`.*export_saved_model", "saved_model")
        self.refuse(tmp_path / "a.onnx", "a.tflite'", "litert")
        self.refuse(tmp_path / "a", "a.xml'", "openvino")
        self.refuse(tmp_path / "a", "tells no format")
        assert not os.listdir(tmp_path)

    def test_places(self, tmp_path):
        (tmp_path / "folder.onnx").mkdir()
        (tmp_path / "file").write_text("")
        self.refuse(tmp_path / "folder.onnx", "is a folder")
        self.refuse(tmp_path / "file" / "a.onnx", "through a file")
        saved = md4keras.save_model(image_model(), tmp_path / "model")
        self.refuse(saved / "a.onnx", "would mix with")

    @pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
    def test_places_without_permission(self, tmp_path):
        tmp_path.chmod(0o500)
        self.refuse(tmp_path / "a.onnx", "No permission", error=PermissionError)

    @pytest.mark.parametrize(
        "format, package", [("onnx", "tf2onnx"), ("openvino", "openvino"), ("litert", "tensorflow")]
    )
    def test_missing_packages(self, tmp_path, monkeypatch, format, package):
        found = importlib.util.find_spec
        monkeypatch.setattr(
            importlib.util, "find_spec", lambda name: None if name == package else found(name)
        )
        self.refuse(
            tmp_path / f"a{SUFFIXES[format]}",
            rf"'{package}': pip install \"md4keras\[tensorflow,runtimes\]\"",
            error=ImportError,
        )
        assert not os.listdir(tmp_path)

    def test_damaged_models(self, tmp_path):
        saved = md4keras.save_model(image_model(), tmp_path / "model")
        (saved / "model.weights.h5").write_bytes(b"")
        with pytest.raises(ValueError, match="damaged"):
            export_denoiser(saved, tmp_path / "a.tflite")
        assert os.listdir(tmp_path) == ["model"]

    def test_networks_beyond_two_gigabytes(self):
        from md4keras.export.build_denoiser import check_size

        large = types.SimpleNamespace(count_params=lambda: 2**29)
        for format in ("onnx", "litert"):
            with pytest.raises(ValueError, match="2 GB.*export_saved_model"):
                check_size(large, format)
        check_size(large, "openvino")


@pytest.mark.one_backend
def test_mixed_precision_becomes_float32():
    from md4keras.export.build_denoiser import in_float32

    options = dict(num_layers=1, num_heads=2, feature_dim=8)
    mixed = Transformer(7, LENGTH, dtype="mixed_bfloat16", **options)
    spread(md4keras.MD4(mixed))
    plain = in_float32(mixed)
    assert {layer.compute_dtype for layer in plain._flatten_layers()} == {"float32"}
    assert in_float32(plain) is plain
    for ours, theirs in zip(plain.weights, mixed.weights, strict=True):
        np.testing.assert_array_equal(array(ours), array(theirs))
    inputs = some_inputs(mixed, 3)
    exact = Transformer(7, LENGTH, **options)
    exact.set_weights([keras.ops.convert_to_numpy(weight) for weight in mixed.weights])
    np.testing.assert_array_equal(array(plain(inputs)), array(exact(inputs)))
