"""Folders in the files of the hub become models: those that the arrays themselves make."""

import json
import os
import weakref

import keras
import numpy as np
import pytest

from md4keras import checkpoints, conversion, load_model, save_model
from md4keras.conversion.kinds import KINDS, kind_of
from tests.conversion import hub_double
from tests.conversion.hub_double import published, save_sharded, save_whole, with_words, write_json
from tests.reference import array, load_reference

pytest.importorskip("safetensors")

CONVERTERS = {
    "mdlm_untimed": checkpoints.from_mdlm,
    "bd3lm_block4": checkpoints.from_bd3lm,
    "llada": checkpoints.from_llada,
}


def assert_same(model, expected):
    assert type(model) is type(expected) and len(model.weights) == len(expected.weights)
    for ours, theirs in zip(model.network.weights, expected.network.weights, strict=True):
        np.testing.assert_array_equal(array(ours), array(theirs))


@pytest.mark.parametrize("name", CONVERTERS)
@pytest.mark.parametrize("save", [save_whole, save_sharded])
@pytest.mark.one_backend
def test_a_folder_is_the_model_of_its_arrays(tmp_path, name, save):
    config, arrays = published(name)
    save(tmp_path / name, config, arrays)
    model = conversion.load(tmp_path / name)
    assert_same(model, CONVERTERS[name](config, arrays))
    assert model.tokenizer is None
    assert model.recipe["converted"]["config"] == config
    assert model.recipe["recipe"].endswith(name)


def test_logits_are_the_published_ones(tmp_path):
    """Of LLaDA, whose mask lies between the tokens, from the folder and saved again."""
    config, arrays = published("llada")
    save_sharded(tmp_path / "llada", config, arrays)
    save_model(conversion.load(tmp_path / "llada"), tmp_path / "ours")
    model, reference = load_model(tmp_path / "ours"), load_reference("llada")
    order = model.ids_to_published(np.arange(model.network.vocabulary_size))
    zt = model.ids_from_published(reference["zt"])
    logits = array(model.predict_logits(zt, np.full(len(zt), 0.5)))
    expected = reference["logits"][..., order]
    np.testing.assert_allclose(logits, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.one_backend
def test_constants_that_published_files_have_are_no_parameters(tmp_path):
    """They are saved along with them, or not."""
    config, arrays = published("bd3lm_block4")
    frequencies = 10_000.0 ** -np.linspace(0, 1, 8, endpoint=False)  # of heads of 16
    constants = {
        "backbone.rotary_emb.inv_freq": frequencies.astype("float32"),
        "sampling_eps_min": np.array(1e-3, "float32"),
        "sampling_eps_max": np.array(1.0, "float32"),
    }
    save_whole(tmp_path, config, {**arrays, **constants})
    assert_same(conversion.load(tmp_path), checkpoints.from_bd3lm(config, arrays))


@pytest.mark.one_backend
@pytest.mark.parametrize("name", CONVERTERS)
def test_arrays_are_read_one_after_another(tmp_path, name, monkeypatch):
    """No two of the file's arrays are in memory at a time, but for the one that is copied."""
    save_sharded(tmp_path, *published(name))
    alive, most, fromfile = set(), [0], np.fromfile

    def noted(*args, **kwargs):
        found = fromfile(*args, **kwargs)
        alive.add(id(found))
        weakref.finalize(found, alive.discard, id(found))
        most[0] = max(most[0], len(alive))
        return found

    monkeypatch.setattr(np, "fromfile", noted)
    conversion.load(tmp_path)
    assert 1 <= most[0] <= 2


@pytest.mark.one_backend
def test_bfloat16_in_files_and_in_the_network(tmp_path):
    ml_dtypes = pytest.importorskip("ml_dtypes")
    config, arrays = published("llada")
    rounded = {name: values.astype(ml_dtypes.bfloat16) for name, values in arrays.items()}
    save_whole(tmp_path / "llada", config, rounded)
    exact = {name: values.astype("float32") for name, values in rounded.items()}
    assert_same(conversion.load(tmp_path / "llada"), checkpoints.from_llada(config, exact))
    before = keras.config.dtype_policy()
    model = conversion.load(tmp_path / "llada", dtype="bfloat16")
    assert keras.config.dtype_policy() == before
    assert model.network.dtype_policy.name == "bfloat16"
    query = model.network.blocks[0].attention.query.kernel
    assert query.dtype == "bfloat16"
    weight = exact["model.transformer.blocks.0.q_proj.weight"]
    np.testing.assert_array_equal(array(query).astype("float32"), weight.T)


@pytest.mark.one_backend
class TestTokenizers:
    TEXT = "the cat sat on the mat"

    def test_llada_s_lies_in_the_folder_and_loses_the_mask(self, tmp_path):
        special = ("<|start|>", "<|endoftext|>", "<|mask|>", "<|user|>")
        tokenizer = hub_double.word_pieces(280, special)
        mask = tokenizer.special_tokens["<|mask|>"]
        config, arrays = with_words("llada", mask)
        save_whole(tmp_path, config, arrays)
        tokenizer.save(tmp_path / "tokenizer.json")
        template = "{% for m in messages %}<|user|>{{ m.content }}{% endfor %}"
        told = {"eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
        told |= {"bos_token": {"content": "<|start|>"}, "chat_template": template}
        write_json(tmp_path / "tokenizer_config.json", told)
        model = conversion.load(tmp_path)
        ours = model.tokenizer
        assert ours.vocabulary_size == model.network.vocabulary_size == 299
        assert (ours.end_token, ours.pad_token) == ("<|endoftext|>", "<|endoftext|>")
        assert (ours.start_token, ours.chat_template) == ("<|start|>", template)
        for name, number in tokenizer.special_tokens.items():
            if name != "<|mask|>":
                assert ours.special_tokens[name] == model.ids_from_published([number])[0]
        typed = tokenizer.encode(f"{self.TEXT}<|user|>", special_tokens=True)
        found = ours.encode(f"{self.TEXT}<|user|>", special_tokens=True)
        np.testing.assert_array_equal(found, model.ids_from_published(typed))

    def test_mdlm_s_is_named(self, tmp_path):
        config, arrays = with_words("mdlm_untimed")
        save_whole(tmp_path / "mdlm", config, arrays)
        hub_double.word_pieces(270).save(tmp_path / "tokenizer.json")
        model = conversion.load(tmp_path / "mdlm", tokenizer=tmp_path)
        assert model.tokenizer.vocabulary_size == model.network.vocabulary_size == 299
        assert model.tokenizer.decode(model.tokenizer.encode(self.TEXT)) == self.TEXT

    def test_that_of_another_model(self, tmp_path):
        config, arrays = published("llada")
        save_whole(tmp_path, config, arrays)
        with pytest.raises(ValueError, match="The tokenizer is not the one|Only of word pieces"):
            conversion.load(tmp_path, tokenizer="bytes")


@pytest.mark.one_backend
class TestRefusals:
    @pytest.fixture
    def folder(self, tmp_path):
        config, arrays = published("mdlm_untimed")
        save_whole(tmp_path, config, arrays)
        return tmp_path

    @pytest.mark.parametrize("name", CONVERTERS)
    @pytest.mark.parametrize("change", ["missing", "extra", "misshapen", "not finite"])
    def test_other_arrays(self, tmp_path, name, change):
        config, arrays = published(name)
        key = [*arrays][-1]
        if change == "missing":
            del arrays[key]
        elif change == "extra":
            key = "more.weight"
            arrays[key] = np.ones(3, "float32")
        elif change == "misshapen":
            arrays[key] = arrays[key][1:]
        else:
            arrays[key] = np.full_like(arrays[key], np.inf)
        save_sharded(tmp_path, config, arrays)
        with pytest.raises(ValueError, match=f"Expected .*{key}|{key}.*Expected"):
            conversion.load(tmp_path)

    def test_a_truncated_file(self, folder):
        path = folder / "model.safetensors"
        os.truncate(path, path.stat().st_size - 4)
        with pytest.raises(ValueError, match="it ends before its array"):
            conversion.load(folder)

    @pytest.mark.parametrize(
        "told",
        [
            {"architectures": ["BertForMaskedLM"], "model_type": "bert"},
            {"architectures": ["LLaDAMoEModelLM"], "model_type": "llada"},
            {"architectures": [], "model_type": None},
            {"architectures": None, "model_type": ["mdlm"]},
            {"architectures": "x" * 10**6},
        ],
        ids=lambda told: str(told)[:60],
    )
    def test_another_architecture(self, folder, told):
        config = json.loads((folder / "config.json").read_text())
        write_json(folder / "config.json", {**config, **told})
        with pytest.raises(ValueError) as caught:
            conversion.load(folder)
        assert "Expected MDLM, BD3LM or LLaDA" in str(caught.value)
        assert f"architectures={str(told['architectures'] or [])[:100]}" in str(caught.value)
        assert len(str(caught.value)) < 600

    @pytest.mark.parametrize(
        "change", [{"hidden_dim": 2**20}, {"n_blocks": 10**9}, {"vocab_size": 2**40}], ids=str
    )
    def test_a_config_that_asks_for_more_than_there_is(self, folder, change):
        config = json.loads((folder / "config.json").read_text())
        write_json(folder / "config.json", {**config, **change})
        with pytest.raises(ValueError):
            conversion.load(folder)

    @pytest.mark.parametrize(
        "name, change",
        [
            ("mdlm_untimed", {"model_length": 2**24 + 1}),
            ("bd3lm_block4", {"block_size": 10**30}),
            ("llada", {"max_sequence_length": 10**30}),
            ("llada", {"rope_theta": 10**400}),
            ("llada", {"n_layers": "x" * 10**6}),
            ("llada", {f"x{number}": 1 for number in range(10**4)}),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_numbers_and_names_without_end(self, tmp_path, name, change):
        config, arrays = published(name)
        save_whole(tmp_path, {**config, **change}, arrays)
        with pytest.raises(ValueError, match=f"`?{[*change][0]}") as caught:
            conversion.load(tmp_path)
        assert "Expected" in str(caught.value) and len(str(caught.value)) < 1500

    def test_thousands_of_other_arrays_are_counted(self, folder):
        config, arrays = published("mdlm_untimed")
        more = {f"x{number}": np.ones(1, "float32") for number in range(1000)}
        save_whole(folder, config, {**arrays, **more})
        with pytest.raises(ValueError, match="unknown=.'x0', .* and 936 more") as caught:
            conversion.load(folder)
        assert len(str(caught.value)) < 1000

    @pytest.mark.parametrize("content", [b"{", b"[]", b" " * (2**24 + 1), b"\xff"])
    def test_what_is_no_config(self, folder, content):
        (folder / "config.json").write_bytes(content)
        with pytest.raises(ValueError, match="The checkpoint cannot be read: it (is|holds)"):
            conversion.load(folder)

    def test_a_config_elsewhere(self, folder, tmp_path_factory):
        elsewhere = tmp_path_factory.mktemp("elsewhere") / "config.json"
        (folder / "config.json").rename(elsewhere)
        (folder / "config.json").symlink_to(elsewhere)
        with pytest.raises(ValueError, match="'config.json' is a link out of its folder"):
            conversion.load(folder)

    @pytest.mark.parametrize("choice", [{"config": "md4_text8"}, {"weights": "raw"}, {"step": 3}])
    def test_choices_of_orbax_folders(self, folder, choice):
        (name,) = choice
        with pytest.raises(ValueError, match=f"`{name}` is for Orbax folders"):
            conversion.load(folder, **choice)

    def test_what_is_no_checkpoint(self, tmp_path):
        for source in (tmp_path, tmp_path / "none"):
            with pytest.raises(ValueError, match="there is none. Expected an Orbax folder"):
                conversion.load(source)

    def test_a_dtype_of_another_kind(self, folder):
        with pytest.raises(ValueError, match="Unknown `dtype`. Expected one of 'float32'"):
            conversion.load(folder, dtype="int8")

    def test_a_saved_model(self, folder, tmp_path_factory):
        out = tmp_path_factory.mktemp("out") / "model"
        save_model(conversion.load(folder), out)
        (out / "metadata.json").unlink()  # as where it is fetched from the hub
        with pytest.raises(ValueError, match="needs no conversion.*md4keras.load_model"):
            conversion.load(out)


@pytest.mark.one_backend
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kind_is_told_by_either_entry(kind):
    assert kind_of({"architectures": [kind.architecture]}) is kind
    assert kind_of({"model_type": kind.name.lower()}) is kind
