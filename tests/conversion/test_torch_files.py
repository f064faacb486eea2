"""Files of `torch.save`: tensors come as they are, and nothing that a file says is run."""

import os
import pickle
import zipfile

import keras
import numpy as np
import pytest

from md4keras.conversion.torch_file import read_torch
from md4keras.conversion.weight_files import read_weights
from tests.conversion.hub_double import write_json

# Elsewhere PyTorch is imported first, which takes seconds.
if keras.backend.backend() == "torch":
    import torch
else:
    pytestmark = pytest.mark.slow
    torch = pytest.importorskip("torch")


class Code:
    """What runs a command where it is unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.system, (f"touch '{self.mark}'",)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pytorch_model.bin"


def test_tensors_are_those_that_were_saved(path):
    shared = torch.randn(4, 3)
    tensors = {
        "a.weight": torch.randn(3, 5),
        "half": torch.randn(4).half(),
        "brain": torch.randn(4, 2).bfloat16(),
        "turned": torch.randn(5, 2).T,
        "tied.1": shared,
        "tied.2": shared,
        "parameter": torch.nn.Parameter(torch.randn(2)),
        "count": torch.arange(3),
    }
    torch.save(tensors, path)
    found = read_weights(path.parent)
    assert found.keys() == tensors.keys()
    for name, tensor in tensors.items():
        expected = tensor.detach().float().numpy()
        np.testing.assert_array_equal(found[name].read().astype("float32"), expected)
        assert found[name].shape == tuple(tensor.shape)
    assert found["brain"].kept_as == "bfloat16" and found["brain"].read().dtype == "float32"


def test_shards(path):
    torch.save({"a": torch.ones(2)}, path.with_name("pytorch_model-00001-of-00002.bin"))
    torch.save({"b": torch.zeros(3)}, path.with_name("pytorch_model-00002-of-00002.bin"))
    weight_map = {name: f"pytorch_model-0000{n + 1}-of-00002.bin" for n, name in enumerate("ab")}
    write_json(path.with_name(f"{path.name}.index.json"), {"weight_map": weight_map})
    found = read_weights(path.parent)
    assert found["a"].read().tolist() == [1, 1] and found["b"].read().tolist() == [0, 0, 0]


@pytest.mark.parametrize("form", ["torch.save", "pickle", "old torch.save"])
def test_code_is_refused_and_not_run(path, tmp_path, form):
    mark = tmp_path / "ran"
    content = {"a": torch.ones(2), "b": Code(mark)}
    if form == "pickle":
        path.write_bytes(pickle.dumps(content))
        message = "it is no whole archive of torch.save"
    elif form == "torch.save":
        torch.save(content, path)
        message = "its pickle names posix.system, which is not for tensors"
    else:
        torch.save(content, path, _use_new_zipfile_serialization=False)
        message = "it is no whole archive of torch.save"
    with pytest.raises(ValueError, match=f"{message}.*Take the checkpoint's .safetensors files"):
        read_torch(path)
    assert not mark.exists()


def test_the_code_would_have_run(tmp_path, path):
    """The test before this one could fail."""
    pickle.loads(pickle.dumps(Code(tmp_path / "ran")))
    assert (tmp_path / "ran").exists()


def test_a_file_that_ends_early(path):
    torch.save({"a": torch.ones(1000)}, path)
    for size in (path.stat().st_size - 1, path.stat().st_size // 2, 0):
        os.truncate(path, size)
        with pytest.raises(ValueError, match="it is no whole archive of torch.save"):
            read_torch(path)


@pytest.mark.parametrize(
    "content, message",
    [
        (lambda: [torch.ones(2)], "it holds a list"),
        (lambda: {3: torch.ones(2)}, "an entry by the name 3"),
        (lambda: {"state_dict": {"a": torch.ones(2)}}, "'state_dict' is a dict"),
        (lambda: {"a": torch.ones(1).expand(10**12)}, "'a' is larger than its numbers"),
        (lambda: {"a": torch.ones(2, dtype=torch.complex64)}, "'a' is no plain tensor"),
        (lambda: {"a": torch.eye(3).to_sparse()}, "its pickle names torch.Size"),
        (lambda: {"a": torch.ones(2, device="meta")}, "its pickle names torch"),
        (lambda: {"a": torch.ones(2).to(torch.float8_e5m2)}, "its pickle names torch"),
        (lambda: windows(), "its tensors are larger than the file"),
    ],
    ids=[
        "list",
        "number",
        "nested",
        "expanded",
        "complex",
        "sparse",
        "meta",
        "8 bits",
        "overlapping",
    ],
)
def test_what_is_no_dictionary_of_tensors(path, content, message):
    torch.save(content(), path)
    with pytest.raises(ValueError, match=message):
        read_torch(path)


def windows():
    """Many tensors, nearly all of one memory each."""
    memory = torch.ones(10**5)
    return {str(n): memory[n:] for n in range(100)}


def test_an_archive_that_unpacks_to_more(path):
    torch.save({"a": torch.zeros(10**6)}, path)
    packed = path.with_name("packed")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            new.writestr(part.filename, old.read(part))
    with pytest.raises(ValueError, match="its parts are compressed"):
        read_torch(packed)


def with_pickle(path, data, name="data.pkl"):
    """A file of `torch.save` whose pickle is another one."""
    torch.save({"a": torch.zeros(3)}, path)
    changed = path.with_name("changed")
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for part in old.infolist():
            is_pickle = part.filename.endswith("data.pkl")
            place = part.filename.removesuffix("data.pkl") + name if is_pickle else part.filename
            new.writestr(place, data if is_pickle else old.read(part))
    return changed


@pytest.mark.parametrize("name", ["data.pkl", "DATA.PKL"])
def test_a_pickle_that_fills_the_memory(path, name):
    """PyTorch's reader would call these, without running code: a gigabyte for each ten bytes."""
    size = (10**9).to_bytes(4, "little")
    for function in (b"builtins\nbytearray", b"__builtin__\nbytearray", b"collections\nCounter"):
        data = b"\x80\x02c" + function + b"\nJ" + size + b"\x85R."
        with pytest.raises(ValueError, match=r"its pickle names \w+.(bytearray|Counter)"):
            read_torch(with_pickle(path, data, name))


@pytest.mark.parametrize("data", [b"", b"\x80\x02", b"\xff", b"cos"])
def test_what_is_no_pickle(path, data):
    with pytest.raises(ValueError, match="its pickle is damaged"):
        read_torch(with_pickle(path, data))


def test_what_to_install_is_told(path, monkeypatch):
    torch.save({"a": torch.ones(2)}, path)
    monkeypatch.setitem(__import__("sys").modules, "torch", None)
    with pytest.raises(ImportError, match=r"pytorch_model.bin.*pip install torch"):
        read_torch(path)
