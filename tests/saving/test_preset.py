"""`from_preset` and `save_to_preset`: any class, half the size, KerasHub's layout, old folders."""

import json
import shutil

import keras
import numpy as np
import pytest

from md4keras import MD4, GenMD4, checkpoints, load_model, save_model, tokenizers, weights_file
from md4keras.files import sha256
from md4keras.networks import Transformer, UNet
from md4keras.networks.network import Network
from md4keras.tokenizers import ByteTokenizer, CharacterTokenizer, Tokenizer
from tests.reference import array
from tests.saved_folders import resigned


def of_text(cls=MD4):
    network = Transformer(5, 8, num_layers=1, num_heads=2, feature_dim=64)
    randomise(network.head)
    model = cls(network)
    model.tokenizer, model.recipe = CharacterTokenizer("abcde"), {"steps": 3}
    return model


def randomise(layer):
    for number, variable in enumerate(layer.trainable_variables):
        variable.assign(np.random.default_rng(number).normal(size=variable.shape))


def logits(model):
    return array(model.predict_logits(np.full((1, 8), 5), 0.4))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    model = of_text()
    folder = tmp_path_factory.mktemp("saved")
    return model, model.save_to_preset(folder / "a"), save_model(model, folder / "b", "float16")


def test_a_model_and_its_network_come_back(saved):
    model, folder, _ = saved
    again = MD4.from_preset(folder)
    np.testing.assert_array_equal(logits(again), logits(model))
    assert again.tokenizer.decode([0, 4]) == "ae" and again.recipe == {"steps": 3}
    network = Transformer.from_preset(folder)
    np.testing.assert_array_equal(logits(MD4(network)), logits(model))


def test_without_weights_it_is_as_before_training(saved):
    model, folder, _ = saved
    fresh = MD4.from_preset(folder, load_weights=False)
    assert np.abs(logits(fresh) - logits(model)).max() > 0.1
    assert fresh.network.count_params() == model.network.count_params()


def test_it_computes_in_the_dtype_that_is_asked_for(saved):
    model, folder, _ = saved
    half = MD4.from_preset(folder, dtype="bfloat16")
    assert keras.backend.standardize_dtype(half.network.token_embedding.dtype) == "bfloat16"
    np.testing.assert_allclose(logits(half), logits(model), atol=0.5)
    assert Network.from_preset(folder, dtype="mixed_bfloat16").compute_dtype == "bfloat16"


@pytest.mark.parametrize("dtype", ["float17", "int8_from_float32", 3])
def test_a_dtype_that_is_none_is_named(saved, dtype):
    with pytest.raises(ValueError, match=f"is no policy.*Received: dtype={dtype!r}.*`quantize`"):
        MD4.from_preset(saved[1], dtype=dtype)


@pytest.mark.parametrize("told", [None, "float32", 0])
def test_a_dtype_that_the_configuration_tells_otherwise_is_replaced(saved, tmp_path, told):
    folder = shutil.copytree(saved[1], tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["config"]["network"]["config"]["dtype"] = told
    (folder / "config.json").write_text(json.dumps(config))
    resigned(folder)
    assert MD4.from_preset(folder, dtype="bfloat16").network.compute_dtype == "bfloat16"


@pytest.mark.one_backend
def test_too_little_memory_is_no_damage(saved, monkeypatch):
    def load_weights(model, path):
        raise MemoryError("Unable to allocate 4 GiB")

    monkeypatch.setattr(MD4, "load_weights", load_weights)
    with pytest.raises(MemoryError):
        load_model(saved[1])


@pytest.mark.one_backend
def test_a_network_needs_no_tokenizer_to_be_known(saved, tmp_path):
    folder = shutil.copytree(saved[1], tmp_path / "model")
    described = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**described, "class": "other>Words"}))
    resigned(folder)
    assert Transformer.from_preset(folder).vocabulary_size == 5
    with pytest.raises(ValueError, match="Unknown tokenizer"):
        load_model(folder)


def test_another_class_is_named(saved):
    with pytest.raises(ValueError, match=r"Expected a GenMD4\. Received: a MD4.*MD4\.from_preset"):
        GenMD4.from_preset(saved[1])
    with pytest.raises(ValueError, match="Expected a UNet. Received: a Transformer"):
        UNet.from_preset(saved[1])


def test_a_network_alone(saved, tmp_path):
    network = saved[0].network
    folder = network.save_to_preset(tmp_path / "network")
    np.testing.assert_array_equal(logits(MD4(Transformer.from_preset(folder))), logits(saved[0]))
    with pytest.raises(ValueError, match="no model of md4keras"):
        load_model(folder)
    with pytest.raises(ValueError, match="Only models of md4keras"):
        save_model(network, tmp_path / "model")


@pytest.mark.parametrize(
    "make", [of_text, lambda: of_text(GenMD4), lambda: MD4(UNet(4, (4, 6, 2), 0, 64))]
)
def test_float16_halves_the_file_and_rounds_each_matrix(tmp_path, make):
    model = make()
    whole, half = (save_model(model, tmp_path / name, name) for name in ("float32", "float16"))
    sizes = [(folder / "model.weights.h5").stat().st_size for folder in (whole, half)]
    assert sizes[1] < 0.65 * sizes[0]  # small arrays, and what HDF5 adds, are not halved
    assert weights_file.measure(half / "model.weights.h5").numbers >= model.network.count_params()
    again = load_model(half)
    for ours, theirs in zip(model.weights, again.weights, strict=True):
        assert ours.dtype == theirs.dtype
        exact = array(ours)
        expected = exact.astype("float16") if exact.ndim > 1 else exact
        np.testing.assert_array_equal(array(theirs), expected.astype("float32"))


def test_rounding_twice_changes_nothing_and_the_same_weights_are_the_same_file(saved, tmp_path):
    _, whole, half = saved
    fingerprint = checkpoints.read_saved(whole).weights_fingerprint
    assert checkpoints.read_saved(half).metadata["sha256_before_rounding"] == fingerprint
    for folder in (whole, half):
        dtype = checkpoints.read_saved(folder).metadata.get("weights_dtype", "float32")
        again = save_model(load_model(folder), tmp_path / folder.name, dtype)
        name = "model.weights.h5"
        assert sha256(again / name) == sha256(folder / name)


def test_a_weight_that_float16_cannot_hold_is_named(tmp_path):
    model = of_text()
    kernel = model.network.head.trainable_variables[0]
    kernel.assign(np.full(kernel.shape, 1e5))
    with pytest.raises(ValueError, match=r"at most 65,504\. Received: 1e\+05 in '.*head"):
        save_model(model, tmp_path / "model", "float16")
    with pytest.raises(ValueError, match="dtype"):
        save_model(model, tmp_path / "model", "float8")
    assert not list(tmp_path.iterdir())


def test_a_folder_as_version_0_2_wrote_it(saved, tmp_path):
    """Its metadata had five entries, and its tokenizer no names for Keras."""
    folder = save_model(saved[0], tmp_path / "old")
    described = tokenizers.serialize(saved[0].tokenizer)
    written = json.loads((folder / "tokenizer.json").read_text())
    assert described == {name: written[name] for name in ("class", "config")}
    (folder / "tokenizer.json").write_text(json.dumps(described))
    metadata = json.loads((resigned(folder) / "metadata.json").read_text())
    kept = ("format", "md4keras_version", "keras_version", "parameter_count", "sha256")
    assert metadata.keys() == set(kept)  # and so version 0.2 reads what is written today
    np.testing.assert_array_equal(logits(load_model(folder)), logits(saved[0]))


def test_tokenizers_have_presets_too(saved, tmp_path):
    assert CharacterTokenizer.from_preset(saved[1]).decode([1]) == "b"
    with pytest.raises(ValueError, match=r"Expected a ByteTokenizer\. Received: a CharacterToken"):
        ByteTokenizer.from_preset(saved[1])
    folder = ByteTokenizer(end_token=True).save_to_preset(tmp_path / "bytes")
    assert Tokenizer.from_preset(folder).end_token_id == 256
    assert tokenizers.load(folder).vocabulary_size == 257
    with pytest.raises(ValueError, match="has its own|of its own"):
        ByteTokenizer().save_to_preset(saved[1])


@pytest.mark.slow  # KerasHub imports TensorFlow
@pytest.mark.one_backend
def test_keras_hub_s_loader_reads_the_folder(saved):
    preset_utils = pytest.importorskip("keras_hub.src.utils.preset_utils")
    model, *folders = saved
    for folder in folders:
        loader = preset_utils.get_preset_loader(str(folder))
        assert type(loader).__name__ == "KerasPresetLoader"
        cls = loader.check_backbone_class()
        again = loader.load_backbone(cls, load_weights=True)
        np.testing.assert_array_equal(logits(again), logits(load_model(folder)))
        assert loader.load_tokenizer(CharacterTokenizer).decode([0, 4]) == "ae"
