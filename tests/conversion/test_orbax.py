"""Orbax folders of the published code: what Orbax wrote is what is read, and nothing else is."""

import json
import os
import shutil

import numpy as np
import pytest

from md4keras import GenMD4, conversion
from md4keras.checkpoints import from_md4
from md4keras.conversion.orbax_folder import find_state, read_state
from tests.reference import array, load_reference, reference_constructor, reference_params

orbax_double = pytest.importorskip("tests.conversion.orbax_double")


def published(name="md4_loss_text"):
    reference = load_reference(name)
    return reference_constructor(reference), reference_params(reference)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with two steps, whose averages are not its parameters."""
    _, params = published()
    folder = tmp_path_factory.mktemp("run")
    averaged = {name: 2 * values for name, values in params.items()}
    early = {name: 3 * values for name, values in params.items()}
    states = {
        100: orbax_double.train_state(early, early, 100),
        2000: orbax_double.train_state(params, averaged, 2000),
    }
    orbax_double.save_run(folder, states)
    return folder


def same_weights(model, constructor, params):
    expected = from_md4(constructor, params)
    for ours, theirs in zip(model.network.weights, expected.network.weights, strict=True):
        np.testing.assert_array_equal(array(ours), array(theirs))
    return True


def test_the_averages_of_the_last_step_are_the_model(run):
    constructor, params = published()
    model = conversion.load(run, config=constructor)
    assert same_weights(model, constructor, {k: 2 * v for k, v in params.items()})
    assert model.recipe["converted"]["weights"] == "ema"
    told = f"{run.name}/checkpoints/2000/train_state"
    assert model.recipe["converted"]["source"] == told  # and nothing of what is above it


@pytest.mark.one_backend
@pytest.mark.parametrize("weights, step, factor", [("raw", None, 1), ("raw", 100, 3)])
def test_other_weights_and_steps(run, weights, step, factor):
    constructor, params = published()
    model = conversion.load(run, config=constructor, weights=weights, step=step)
    assert same_weights(model, constructor, {k: factor * v for k, v in params.items()})


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "place", ["checkpoints", "checkpoints/2000", "checkpoints/2000/train_state"]
)
def test_a_folder_is_found_at_any_depth(run, place):
    assert find_state(run / place) == run / "checkpoints" / "2000" / "train_state"


def test_logits_of_genmd4_are_the_published_ones(tmp_path):
    reference = load_reference("genmd4_loss_text")
    constructor, params = published("genmd4_loss_text")
    orbax_double.save_run(tmp_path, {1: orbax_double.train_state(params, None)})
    model = conversion.load(tmp_path, config=constructor, weights="raw")
    assert type(model) is GenMD4
    x = reference["x"]
    np.testing.assert_allclose(
        array(model.schedule.theta), params["params/noise_schedule/w"], rtol=1e-6
    )
    expected = from_md4(constructor, params).predict_logits(x, np.full(len(x), 0.5))
    found = model.predict_logits(x, np.full(len(x), 0.5))
    np.testing.assert_array_equal(array(found), array(expected))


@pytest.mark.one_backend
@pytest.mark.parametrize("how", [{"use_ocdbt": False}, {"use_zarr3": True}], ids=str)
def test_other_layouts_of_orbax(tmp_path, how):
    _, params = published()
    orbax_double.save_state(tmp_path / "state", orbax_double.train_state(params, params), **how)
    found = read_state(find_state(tmp_path / "state"))
    assert found.keys() == params.keys()
    for name, values in params.items():
        np.testing.assert_array_equal(np.asarray(found[name]), values)
        assert found[name].shape == values.shape


@pytest.mark.one_backend
def test_bfloat16_is_understood(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    params = {"params/classifier/x": np.array([1.5, -2.0], ml_dtypes.bfloat16)}
    orbax_double.save_state(tmp_path / "state", orbax_double.train_state(params, params))
    found = read_state(tmp_path / "state")
    assert found["params/classifier/x"].read().tolist() == [1.5, -2.0]
    assert found["params/classifier/x"].kept_as == "bfloat16"


def copy_of(run, tmp_path):
    shutil.copytree(run / "checkpoints" / "100" / "train_state", tmp_path / "state")
    return tmp_path / "state"


@pytest.mark.one_backend
class TestRefusals:
    def load(self, folder, **changes):
        constructor, _ = published()
        return conversion.load(
            folder, config={**constructor, **changes.pop("config", {})}, **changes
        )

    def test_a_folder_without_its_configuration(self, run):
        with pytest.raises(ValueError, match="does not tell what its network is.*md4_openwebtext"):
            conversion.load(run)

    @pytest.mark.parametrize(
        "change, message",
        [
            ({"n_layers": 3}, "missing=.*TransformerBlock_2"),
            ({"n_layers": 1}, "unknown=.*TransformerBlock_1"),
            ({"feature_dim": 4}, "does not fit the model. Expected shape"),
            ({"n_layers": 10**9}, "asks for more than the checkpoint holds.*n_layers=1000000000"),
            ({"feature_dim": 2**20}, "asks for more than the checkpoint holds.*numbers"),
            ({"layers": 3}, "Unknown constructor arguments"),
        ],
        ids=str,
    )
    def test_the_configuration_of_another_network(self, run, change, message):
        with pytest.raises(ValueError, match=message):
            self.load(run, config=change)

    def test_steps_and_weights_that_are_not_there(self, run, tmp_path):
        with pytest.raises(ValueError, match=r"no step 7. Expected one of \[100, 2000\]"):
            self.load(run, step=7)
        with pytest.raises(ValueError, match="Unknown `weights`"):
            self.load(run, weights="best")
        _, params = published()
        orbax_double.save_run(tmp_path, {1: orbax_double.train_state(params, None)})
        with pytest.raises(ValueError, match="it has no ema_params.*--raw"):
            self.load(tmp_path)

    def test_a_missing_file(self, run, tmp_path):
        state = copy_of(run, tmp_path)
        largest = max((state / "d").iterdir(), key=lambda path: path.stat().st_size)
        largest.unlink()
        with pytest.raises(ValueError, match="cannot be read.*Copy the checkpoint anew"):
            self.load(state)

    def test_a_truncated_file(self, run, tmp_path):
        state = copy_of(run, tmp_path)
        largest = max((state / "d").iterdir(), key=lambda path: path.stat().st_size)
        os.truncate(largest, largest.stat().st_size // 2)
        with pytest.raises(ValueError, match="cannot be read.*Copy the checkpoint anew"):
            self.load(state)

    def test_a_missing_piece_of_an_array(self, tmp_path):
        """It is no array of zeros, as the library would have it."""
        _, params = published()
        state = orbax_double.train_state(params, params)
        orbax_double.save_state(tmp_path / "state", state, use_ocdbt=False)
        name = "ema_params.classifier.Transformer_0.Dense_0.kernel"
        (tmp_path / "state" / name / "0.0").unlink()
        with pytest.raises(ValueError, match="Transformer_0.Dense_0.kernel.*cannot be read"):
            self.load(tmp_path / "state")

    def test_a_link(self, run, tmp_path):
        state = copy_of(run, tmp_path)
        (state / "d" / "more").symlink_to(tmp_path)
        with pytest.raises(ValueError, match="there is a link in it"):
            self.load(state)

    def test_what_is_no_description(self, run, tmp_path):
        state = copy_of(run, tmp_path)
        (state / "_METADATA").write_text("[]")
        with pytest.raises(ValueError, match="it holds a list.*_METADATA") as caught:
            self.load(state)
        assert str(caught.value).count("cannot be read") == 1

    def test_an_array_that_says_it_is_huge(self, tmp_path):
        """Of zeros that are not there: a line of text, and 40 gigabytes when it is read."""
        _, params = published()
        folder = tmp_path / "state"
        orbax_double.save_state(folder, orbax_double.train_state(params, params), use_ocdbt=False)
        about = folder / "_METADATA"
        told = json.loads(about.read_text())
        about.write_text(json.dumps({**told, "store_array_data_equal_to_fill_value": False}))
        name = "ema_params.classifier.Transformer_0.Dense_0.kernel"
        place = folder / name / ".zarray"
        place.write_text(json.dumps({**json.loads(place.read_text()), "shape": [10**5, 10**5]}))
        with pytest.raises(ValueError, match="its arrays have 4000.* bytes, and its files"):
            self.load(folder)
