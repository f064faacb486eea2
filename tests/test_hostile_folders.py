"""A saved model's folder from elsewhere: no code of it runs, and it costs what its weights cost."""

import copy
import json
import shutil
import subprocess
import sys
import time

import h5py
import keras
import numpy as np
import pytest

from md4keras import MD4, GenMD4, load_model, save_model, weights_file
from md4keras.networks import Transformer, UNet, UViT
from md4keras.tokenizers import CharacterTokenizer
from tests.saved_folders import resigned

pytestmark = pytest.mark.one_backend
SECONDS = 2  # of a busy machine

MAKERS = {
    "text": lambda: MD4(Transformer(5, 8, num_layers=2, num_heads=2, feature_dim=8, dropout=0.1)),
    "bare": lambda: MD4(Transformer(5, 8, 0, 1, 4, time_features="none")),
    "half": lambda: MD4(Transformer(5, 8, 1, 1, 8, dtype="bfloat16")),
    "plain": lambda: MD4(Transformer(5, 8, 3, 1, 4, time_features="none", embedding="outside")),
    "classes": lambda: GenMD4(
        Transformer(5, 8, 1, 2, 8, num_classes=3, label_dropout=0.1, positions="learned")
    ),
    "unet": lambda: MD4(UNet(4, (4, 6, 2), num_layers=1, feature_dim=64, dropout=0.1)),
    "flat unet": lambda: MD4(UNet(4, (4, 4, 1), 0, 64, time_features="none")),
    "uvit": lambda: MD4(UViT(4, (8, 8, 1), 1, 32, 2, 4, 16, channel_multipliers=(1, 2))),
    "flat uvit": lambda: MD4(UViT(4, (4, 4, 1), 0, 32, 1, 1, 4, time_features="none")),
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A function of a maker's name: the folder of such a model, made once."""
    folders = {}

    def folder_of(name):
        if name not in folders:
            model = MAKERS[name]()
            folders[name] = save_model(model, tmp_path_factory.mktemp("saved") / name)
        return folders[name]

    return folder_of


def hostile(folder, tmp_path, change):
    """A copy of a folder with another configuration, whose checksums fit."""
    copied = shutil.copytree(folder, tmp_path / "hostile")
    config = json.loads((copied / "config.json").read_text())
    change(config["config"])
    (copied / "config.json").write_text(json.dumps(config))
    return resigned(copied)


def check_refused(folder, match="make no model|damaged", seconds=SECONDS):
    started = time.process_time()  # of work: other programs on the machine do not count
    with pytest.raises(ValueError, match=match):
        load_model(folder)
    assert time.process_time() - started < seconds


def put(**values):
    return lambda config: config["network"]["config"].update(values)


@pytest.mark.parametrize("name", MAKERS)
def test_genuine_models_are_worth_what_they_ask(saved, name):
    folder = saved(name)
    again = load_model(folder)
    held = weights_file.measure(folder / "model.weights.h5")
    assert again.count_params() <= held.numbers
    config = json.loads((folder / "config.json").read_text())
    layers = sum(map(weights_file._least_layers, weights_file.described(config)))
    assert 4 * layers <= held.arrays


def test_what_could_not_be_loaded_is_not_saved(tmp_path):
    model = MD4(Transformer(5, 2**24 + 1, num_layers=1, num_heads=1, feature_dim=4))
    with pytest.raises(ValueError, match="Expected at most 16777216 tokens each"):
        save_model(model, tmp_path / "model")
    assert not list(tmp_path.iterdir())


TOO_MUCH = {
    "text": [
        dict(vocabulary_size=2_000_000_000),
        dict(vocabulary_size=6),
        dict(num_layers=100_000),
        dict(num_layers=10**15),
        dict(num_layers=3),
        dict(feature_dim=10**7),
        dict(num_heads=10**6),
        dict(num_classes=2_000_000_000),
        dict(sequence_length=2_000_000_000),
        dict(sequence_length=10**30),
        dict(sequence_length=2**24 + 1),
        dict(sequence_length=2_000_000_000, positions="learned"),
        dict(vocabulary_size=10**40, feature_dim=10**40),
    ],
    "classes": [dict(vocabulary_size=10**8), dict(num_classes=10**8), dict(sequence_length=10**8)],
    "unet": [
        dict(num_layers=10**6),
        dict(feature_dim=32 * 10**5),
        dict(image_shape=[2**20, 2**20, 2]),
        dict(image_shape=[4096, 4096, 2]),
        dict(image_shape=[4, 6, 10**7]),
        dict(image_shape=[4, 6, 2] * 10**4),
    ],
    "uvit": [
        dict(num_dit_layers=10**6),
        dict(hidden_dim=4 * 10**8),
        dict(channel_multipliers=[1] * 10**5),
        dict(channel_multipliers=[1] * 60, num_layers=0, image_shape=[2**61, 2**61, 1]),
        dict(channel_multipliers=[1, 10**6]),
        dict(image_shape=[2**16, 2**16, 1]),
        dict(image_shape=[2**100, 2**100, 1], channel_multipliers=[1] * 99),
    ],
}


@pytest.mark.parametrize(
    "name, values",
    [(name, values) for name in TOO_MUCH for values in TOO_MUCH[name]],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_a_configuration_that_asks_for_more_than_its_weights_is_refused(
    saved, tmp_path, name, values, monkeypatch
):
    folder = hostile(saved(name), tmp_path, put(**values))
    monkeypatch.setattr(MD4, "load_weights", None)  # refused before, with nothing built
    monkeypatch.setattr(GenMD4, "load_weights", None)
    check_refused(folder)


NONSENSE = ["100000", 1e308, float("nan"), float("inf"), -5, 0, None, [], {}, True, "x" * 10**5]
SETTINGS = ("vocabulary_size", "num_layers", "num_heads", "feature_dim", "dropout", "dtype")


@pytest.mark.parametrize("setting", [*SETTINGS, "sequence_length", "num_classes"])
def test_nonsense_for_a_setting_is_an_error_with_the_folder_s_name(saved, tmp_path, setting):
    for number, value in enumerate(NONSENSE):
        (tmp_path / str(number)).mkdir()
        folder = hostile(saved("text"), tmp_path / str(number), put(**{setting: value}))
        try:
            load_model(folder)
        except ValueError as error:
            assert "The saved model is damaged" in str(error) and str(folder) in str(error)
        else:  # fewer layers, the default, or none at all
            assert (setting, value) in [
                ("num_layers", 0),
                ("num_classes", None),
                ("dropout", 0),
                ("dtype", None),
                ("dtype", 0),
                ("dtype", []),
                ("dtype", {}),
            ]


@pytest.mark.parametrize(
    "change",
    [
        lambda config: config.update(seed=10**100),
        lambda config: config.update(timesteps="many"),
        lambda config: config.update(schedule=[[]]),
        lambda config: config.update(network=None),
        lambda config: config.update(network=[]),
        lambda config: config.pop("network"),
        lambda config: config["network"].update(config=3),
        lambda config: config["network"].update(registered_name=["md4keras>Transformer"]),
    ],
)
def test_another_broken_configuration_is_an_error(saved, tmp_path, change):
    check_refused(hostile(saved("text"), tmp_path, change), "damaged|not known")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "recipe.json", "metadata.json"])
@pytest.mark.parametrize(
    "content",
    ["[" * 100_000, '{"a":' * 900 + "1" + "}" * 900, "", "[]", '"x"', "\0", "9" * 10_000],
    ids=["deep", "nested", "empty", "list", "string", "zero", "digits"],
)
def test_json_of_another_form_is_an_error(tmp_path, name, content):
    model = MAKERS["bare"]()
    model.tokenizer, model.recipe = CharacterTokenizer("abcde"), {}
    folder = save_model(model, tmp_path / "model")
    (folder / name).write_text(content)
    if name != "metadata.json":
        resigned(folder)
    check_refused(folder, "saved model|tokenizer|no model of md4keras")


def keras_item(name, config, module="keras.layers", **more):
    return {"module": module, "class_name": name, "config": config, "registered_name": None, **more}


HUGE = {"input_shape": [1, 10**6]}


@pytest.mark.parametrize(
    "item",
    [
        keras_item("Dense", {"units": 10**6}, build_config=HUGE),
        keras_item(
            "Sequential",
            {
                "layers": [
                    keras_item("InputLayer", {"batch_shape": [1, 10**6]}),
                    keras_item("Dense", {"units": 10**6}),
                ]
            },
            "keras",
        ),
        keras_item("Embedding", {"input_dim": 10**9, "output_dim": 10**4}, build_config=HUGE),
        keras_item(
            "Lambda", {"function": {"class_name": "__lambda__", "config": {"value": "eJw"}}}
        ),
        keras_item("TFSMLayer", {"filepath": "/"}),
        keras_item("TorchModuleWrapper", {"module": {"class_name": "__bytes__"}}),
        keras_item("get_file", {}, "keras.utils"),
        keras_item("function", "system", "os", **{}),
        {**keras_item("function", "system", "os"), "registered_name": "md4keras>Linear"},
        {"module": "os", "class_name": "system", "config": {}, "registered_name": ["a"]},
        {"class_name": "__typespec__", "config": [], "spec_name": "popen", "module": "os"},
    ],
    ids=lambda item: f"{item['module']}.{item['class_name']}",
)
@pytest.mark.parametrize("place", ["network", "schedule", "dtype"])
def test_no_other_object_is_built_in_any_place(saved, tmp_path, item, place):
    def change(config):
        target = config["network"]["config"] if place == "dtype" else config
        target[place] = copy.deepcopy(item)

    # (Keras may import another backend for one of its classes, which takes seconds.)
    check_refused(hostile(saved("text"), tmp_path, change), "(?i)damaged|not known|lambda", 20)
    with keras.StatelessScope():  # what was not built is not built later either
        pass


def test_a_compiled_configuration_builds_neither_optimizer_nor_metrics(saved, tmp_path):
    metric = keras_item("MeanIoU", {"num_classes": 10**6}, "keras.metrics")

    def change(config):
        config["network"]["compile_config"] = {
            "optimizer": "adam",
            "loss": None,
            "metrics": [metric],
        }

    folder = hostile(saved("text"), tmp_path, change)
    assert not load_model(folder).network.compiled


def write(folder, name, **how):
    """Replaces the first array of a weights file with one that is stored otherwise."""
    with h5py.File(folder / "model.weights.h5", "r+") as file:
        names = []
        file.visititems(lambda n, item: names.append(n) if isinstance(item, h5py.Dataset) else None)
        shape = file[names[0]].shape
        del file[names[0]]
        how["make"](file, names[0], shape)
    return resigned(folder)


def external(file, name, shape):
    file.create_dataset(name, shape, "float32", external=[("/etc/passwd", 0, 4096)])


def virtual(file, name, shape):
    layout = h5py.VirtualLayout(shape, "float32")
    layout[...] = h5py.VirtualSource("/etc/passwd", "x", shape)
    file.create_virtual_dataset(name, layout)


def bomb(file, name, shape):
    file.create_dataset(name, (2**20, 2**20), "float32", chunks=(1024, 1024), compression="gzip")


def small_bomb(file, name, shape):
    file.create_dataset(name, data=np.zeros((2**12, 2**12), "float32"), compression="gzip")


def external_link(file, name, shape):
    file[name] = h5py.ExternalLink("/etc/passwd", "/x")


def soft_link(file, name, shape):
    file[name] = h5py.SoftLink("/nowhere")


def strings(file, name, shape):
    file.create_dataset(name, data=["x" * 1000] * 8, dtype=h5py.string_dtype())


def nothing(file, name, shape):
    file.create_dataset(name, data=h5py.Empty("float32"))


@pytest.mark.parametrize(
    "make", [external, virtual, bomb, small_bomb, external_link, soft_link, strings, nothing]
)
def test_weights_that_are_not_in_the_file_as_they_stand_are_refused(saved, tmp_path, make):
    folder = shutil.copytree(saved("text"), tmp_path / "hostile")
    check_refused(write(folder, "hostile", make=make))


@pytest.mark.parametrize("content", [b"", b"\x80\x04\x95cos\nsystem\n", b"\x89HDF\r\n\x1a\n"])
def test_weights_of_another_format_are_refused(saved, tmp_path, content):
    folder = shutil.copytree(saved("text"), tmp_path / "hostile")
    (folder / "model.weights.h5").write_bytes(content)
    check_refused(resigned(folder), "damaged.*HDF5")


def test_weights_of_another_model_are_refused(saved, tmp_path):
    folder = shutil.copytree(saved("text"), tmp_path / "hostile")
    shutil.copy(saved("uvit") / "model.weights.h5", folder)
    check_refused(resigned(folder))


@pytest.mark.parametrize("name", ["../secret.json", "/etc/passwd", "recipe.json/../../x", "x.pkl"])
def test_metadata_cannot_name_another_file(saved, tmp_path, name):
    folder = shutil.copytree(saved("text"), tmp_path / "hostile")
    metadata = json.loads((folder / "metadata.json").read_text())
    metadata["sha256"][name] = "0" * 64
    (folder / "metadata.json").write_text(json.dumps(metadata))
    check_refused(folder, "does not list its files")


@pytest.mark.parametrize("name", ["config.json", "model.weights.h5", "metadata.json"])
def test_what_is_no_file_is_refused_without_waiting(saved, tmp_path, name):
    folder = shutil.copytree(saved("text"), tmp_path / "hostile")
    (folder / name).unlink()
    (folder / name).symlink_to("/dev/zero")
    check_refused(folder, "damaged|not a saved model")


@keras.saving.register_keras_serializable(package="tests")
class Tabled(Transformer):
    """A network of a user's own, with a variable that is made of an array."""

    config_names = Transformer.config_names

    def make_layers(self, dtype):
        super().make_layers(dtype)
        self.table = keras.Variable(np.arange(3.0))


def test_a_class_that_needs_real_variables_still_loads(tmp_path):
    model = MD4(Tabled(5, 8, num_layers=1, num_heads=1, feature_dim=8))
    folder = save_model(model, tmp_path / "model")
    assert type(load_model(folder).network) is Tabled


def test_refusing_takes_no_memory(saved, tmp_path):
    folder = hostile(saved("text"), tmp_path, put(vocabulary_size=200_000_000))
    program = (
        "import resource, sys, md4keras\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try:\n    md4keras.load_model(sys.argv[1])\nexcept ValueError:\n    pass\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    command = [sys.executable, "-c", program, str(folder)]
    grown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert int(grown) < 200_000  # kilobytes; the embedding alone would have 12.8 GB
