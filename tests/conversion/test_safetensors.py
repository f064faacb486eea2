"""Files in safetensors, written by the library: what is in them, read lazily; and damaged ones."""

import json
import os

import numpy as np
import pytest

from md4keras.conversion.safetensors_file import read_safetensors
from md4keras.conversion.weight_files import read_weights
from tests.conversion.hub_double import save_sharded, save_whole, write_json

pytestmark = pytest.mark.one_backend
library = pytest.importorskip("safetensors.numpy")

RNG = np.random.default_rng(0)
ARRAYS = {
    "a.weight": RNG.normal(size=(3, 5)).astype("float32"),
    "b.bias": RNG.normal(size=4).astype("float16"),
    "c.count": np.arange(6).reshape(2, 3),
    "d": np.array(2.5, "float32"),
    "empty": np.zeros((0, 3), "float32"),
}


@pytest.fixture
def path(tmp_path):
    library.save_file(ARRAYS, tmp_path / "model.safetensors", {"format": "pt"})
    return tmp_path / "model.safetensors"


def test_arrays_are_those_that_were_written(path):
    found = read_safetensors(path)
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert (found[name].shape, found[name].kept_as) == (array.shape, array.dtype.name)
        np.testing.assert_array_equal(found[name].read(), array)


def test_bfloat16_comes_as_float32(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    values = RNG.normal(size=(7, 3)).astype(ml_dtypes.bfloat16)
    library.save_file({"w": values}, tmp_path / "m.safetensors")
    found = read_safetensors(tmp_path / "m.safetensors")["w"]
    assert found.kept_as == "bfloat16" and found.read().dtype == "float32"
    np.testing.assert_array_equal(found.read(), values.astype("float32"))


def test_only_what_is_asked_for_is_read(path, monkeypatch):
    places = []
    fromfile = np.fromfile

    def noted(file, dtype, count, offset):
        places.append(count)
        return fromfile(file, dtype, count, offset=offset)

    monkeypatch.setattr(np, "fromfile", noted)
    arrays = read_weights(path.parent)
    sizes = {name: array.size for name, array in ARRAYS.items()}
    assert ({name: each.size for name, each in arrays.items()}, places) == (sizes, [])
    np.asarray(arrays["b.bias"])
    assert places == [4]


def test_a_file_that_ends_early(path):
    whole = path.stat().st_size
    for size in (whole - 1, whole // 2, 8, 3, 0):
        os.truncate(path, size)
        with pytest.raises(ValueError, match="cannot be read: it ends .*Download the file again"):
            read_safetensors(path)


def with_header(path, header, data=b"\0" * 16):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def entry(dtype="F32", shape=(2,), place=(0, 8)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(place)}


@pytest.mark.parametrize(
    "header, message",
    [
        (b"\xff\xfe", "is not JSON"),
        (b"[" * 10**5, "is not JSON"),
        ([], "no dictionary"),
        ({"w": 3}, "does not describe 'w'"),
        ({"w": entry(shape=(-2,))}, "does not describe 'w'"),
        ({"w": entry(shape=(True, 2))}, "does not describe 'w'"),
        ({"w": entry(place=(0,))}, "does not describe 'w'"),
        ({"w": entry(dtype="F8_E4M3")}, "'w' is of the type 'F8_E4M3'.*F64, F32, F16, BF16"),
        ({"w": entry(shape=[10**999] * 65)}, "does not describe 'w'"),
        ({"w": entry(shape=(2**40,))}, r"the bytes of 'w' are not those of its shape \(109"),
        ({"w": entry(shape=(2**40,), place=(0, 2**42))}, "it ends before its array 'w' does"),
        ({"w": entry(place=(8, 0))}, "the bytes of 'w'"),
        ({str(n): entry() for n in range(9)}, "its arrays overlap"),
    ],
    ids=str,
)
def test_what_its_header_may_not_say(tmp_path, header, message):
    path = with_header(tmp_path / "model.safetensors", header)
    with pytest.raises(ValueError, match=message):
        read_safetensors(path)


def test_a_header_of_gigabytes_is_not_read(tmp_path):
    path = tmp_path / "model.safetensors"
    with open(path, "wb") as file:
        file.write((2**32).to_bytes(8, "little"))
        file.truncate(2**33)  # it takes no room on the disk
    with pytest.raises(ValueError, match="its header has 4294967296 bytes"):
        read_safetensors(path)


class TestShards:
    @pytest.fixture
    def folder(self, tmp_path):
        save_sharded(tmp_path, {}, {k: v for k, v in ARRAYS.items() if v.ndim})
        return tmp_path

    def index(self, folder, change):
        path = folder / "model.safetensors.index.json"
        content = json.loads(path.read_text())
        content["weight_map"] |= change
        write_json(path, content)

    def test_they_are_one_checkpoint(self, folder):
        found = read_weights(folder)
        assert found.keys() == {name for name, array in ARRAYS.items() if array.ndim}
        np.testing.assert_array_equal(found["a.weight"].read(), ARRAYS["a.weight"])

    @pytest.mark.parametrize(
        "name", ["../model.safetensors", "/etc/passwd", "a/b", "..", "", "C:x", "a\0b", "a\\b"]
    )
    def test_an_index_that_leads_out_of_the_folder(self, folder, name):
        self.index(folder, {"a.weight": name})
        with pytest.raises(ValueError, match="it names a file outside of its folder"):
            read_weights(folder)

    def test_an_index_that_names_no_file(self, folder):
        self.index(folder, {"a.weight": ["model.safetensors"]})
        with pytest.raises(ValueError, match="its weight_map names no files"):
            read_weights(folder)

    def test_a_missing_shard(self, folder):
        (folder / "model-00002-of-00003.safetensors").unlink()
        with pytest.raises(ValueError, match="'model-00002-of-00003.safetensors' is missing"):
            read_weights(folder)

    def test_arrays_that_index_and_files_do_not_share(self, folder):
        self.index(folder, {"more": "model-00001-of-00003.safetensors"})
        with pytest.raises(ValueError, match="and the index differ in arrays such as 'more'"):
            read_weights(folder)

    def test_a_link_out_of_the_folder(self, folder, tmp_path_factory):
        shard = folder / "model-00001-of-00003.safetensors"
        elsewhere = tmp_path_factory.mktemp("elsewhere") / "file"
        shard.rename(elsewhere)
        shard.symlink_to(elsewhere)
        with pytest.raises(ValueError, match="is a link out of its folder"):
            read_weights(folder)

    @pytest.mark.parametrize(
        "content, message",
        [
            (b"{", "is not JSON"),
            (b"[]", "it holds a list"),
            (b"{}", "it has no weight_map"),
            (b"[" * 10**5, "is not JSON"),
            (b" " * (16 * 2**20 + 1), "it is too large"),
        ],
        ids=lambda value: str(value)[:20],
    )
    def test_what_is_no_index(self, folder, content, message):
        (folder / "model.safetensors.index.json").write_bytes(content)
        with pytest.raises(ValueError, match=message):
            read_weights(folder)


def test_the_cache_of_the_hub_has_links(tmp_path):
    snapshot, blobs = tmp_path / "snapshots" / "c0ffee", tmp_path / "blobs"
    save_whole(snapshot, {}, ARRAYS)
    blobs.mkdir()
    (snapshot / "model.safetensors").rename(blobs / "1234")
    (snapshot / "model.safetensors").symlink_to("../../blobs/1234")
    assert read_weights(snapshot).keys() == ARRAYS.keys()


def test_a_folder_without_weights(tmp_path):
    with pytest.raises(ValueError, match="has no weights. Expected one of model.safetensors, "):
        read_weights(tmp_path)
