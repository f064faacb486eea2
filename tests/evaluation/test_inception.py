from pathlib import Path

import keras
import numpy as np
import pytest

from md4keras.evaluation import inception
from md4keras.evaluation.inception_weights import read_weights
from tests.evaluation import tiny_inception

# Those that PyTorch does in two seconds, because it compiles nothing or is imported already.
ON_TORCH = [] if keras.backend.backend() == "torch" else [pytest.mark.slow]
KINDS = ["npz", pytest.param("pth", marks=ON_TORCH), "safetensors"]

THEIRS = np.load(Path(__file__).with_name("reference_numbers.npz"))


@pytest.fixture(scope="module")
def weights():
    return tiny_inception.random_weights()


@pytest.mark.parametrize("batch_size", [pytest.param(2, marks=ON_TORCH)])
def test_the_network_is_that_of_torch_fidelity(weights, batch_size):
    found = inception.Inception(weights)(tiny_inception.images(), batch_size)
    for ours, theirs in zip(
        found, (THEIRS["inception_features"], THEIRS["inception_logits"]), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * np.abs(theirs).max())


def test_images_are_enlarged_as_tensorflow_1_did():
    row = np.array([0.0, 10.0, 20.0])
    enlarge = inception.EnlargeAsTensorFlow1(6)
    found = np.asarray(enlarge(row[None, :, None, None] + np.zeros((1, 3, 6, 1), "float32")))
    # At 0, 1/2, 1, 3/2, 2 and 5/2, of which the last repeats the border.
    np.testing.assert_allclose(found[0, :, 0, 0], [0, 5, 10, 15, 20, 20])
    smaller = np.asarray(inception.EnlargeAsTensorFlow1(2)(found))
    np.testing.assert_allclose(smaller[0, :, 0, 0], [0, 15])  # at 0 and 3, nothing between


@pytest.mark.parametrize("kind", KINDS)
def test_files_are_read_and_run_no_code(kind, tmp_path):
    small = {"fc.weight": np.ones((3, 2), "float32"), "a.bn.bias": np.zeros(2, "float32")}
    path = tmp_path / f"weights.{kind}"
    if kind == "npz":
        np.savez(path, **small)
    elif kind == "pth":
        torch = pytest.importorskip("torch")
        torch.save({name: torch.tensor(each) for name, each in small.items()}, path)
    else:
        pytest.importorskip("safetensors.numpy").save_file(small, path)
    found = read_weights(path)
    assert found.keys() == small.keys() and (found["fc.weight"] == 1.0).all()


@pytest.mark.parametrize("classes", [pytest.param(1000, marks=ON_TORCH)])
def test_names_the_weights_of_another_network(classes, tmp_path):
    np.savez(tmp_path / "weights.npz", **{"fc.weight": np.ones((classes, 2048), "float32")})
    with pytest.raises(ValueError, match="Received: 1 arrays, of which 471 are missing.*Download"):
        inception.load_inception(tmp_path / "weights.npz")


class Hostile:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_and_broken_files_are_named(kind, tmp_path):
    path = tmp_path / f"weights.{kind}"
    if kind == "npz":
        np.savez(path, a=np.array([Hostile(tmp_path / "ran")], object))
    elif kind == "pth":
        pytest.importorskip("torch").save({"a": Hostile(tmp_path / "ran")}, path)
    else:
        pytest.importorskip("safetensors")
        path.write_bytes(b"no safetensors")
    with pytest.raises(ValueError, match=r"cannot be read.*Received: path=.*Download https"):
        inception.load_inception(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.one_backend
@pytest.mark.parametrize("name", ["missing.pth", "weights.h5"])
def test_names_a_file_that_is_not_there(name, tmp_path):
    with pytest.raises(ValueError, match=rf"no weights.*{name}.*Download https://.*\.pth"):
        inception.load_inception(tmp_path / name)
    with pytest.raises(ValueError, match=r"no weights.*Received: path='None'.*Download"):
        inception.load_inception(None)


@pytest.mark.one_backend
def test_refuses_what_are_no_images():
    network = object.__new__(inception.Inception)  # no weights are needed to see that
    for images in (np.zeros((2, 8, 8, 1), "uint8"), np.zeros((2, 8, 8, 3)), []):
        with pytest.raises(ValueError, match=r"`images` cannot be used.*Received"):
            network(images)
