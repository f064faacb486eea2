"""`md4keras convert` from the published files to generated text, and its mistakes."""

import json

import numpy as np
import pytest

from md4keras import cli, load_model
from md4keras.checkpoints import from_md4
from tests.conversion.hub_double import save_sharded, save_whole, with_words, word_pieces
from tests.reference import load_reference, reference_constructor, reference_params

pytestmark = pytest.mark.one_backend
pytest.importorskip("safetensors")
pytest.importorskip("tokenizers")


@pytest.fixture
def ask(tmp_path, capsys, monkeypatch):
    """Runs a command in a folder of its own; returns what it printed."""
    monkeypatch.chdir(tmp_path)

    def asked(*words, status=0):
        assert cli.main([str(word) for word in words]) == status
        printed = capsys.readouterr()
        return printed.err if status else printed.out

    return asked


def test_llada_from_its_folder_to_text(ask, tmp_path):
    tokenizer = word_pieces(280, ("<|endoftext|>", "<|mask|>", "<|user|>"))
    mask = tokenizer.special_tokens["<|mask|>"]
    save_sharded(tmp_path / "llada", *with_words("llada", mask))
    tokenizer.save(tmp_path / "llada" / "tokenizer.json")
    found = json.loads(ask("convert", "llada", "ours", "--json"))
    assert (found["kind"], found["network"], found["out"]) == ("LLaDA", "Llama", "ours")
    assert found["vocabulary_size"] == 299 and found["tokenizer"] == "BytePairTokenizer"
    assert found["dtype"] == "float32" and found["data_shape"] == [64]
    how = ("--num-samples", 2, "--num-steps", 2, "--length", 8, "--seed", 0)
    drawn = json.loads(ask("generate", "ours", *how, "--json"))
    assert len(drawn["text"]) == 2 and all(isinstance(text, str) for text in drawn["text"])
    assert "LLaDA" in ask("models", ".")


def test_mdlm_with_a_tokenizer_of_its_own(ask, tmp_path):
    save_whole(tmp_path / "mdlm", *with_words("mdlm_untimed"))
    word_pieces(270).save(tmp_path / "tokenizer.json")
    said = ask("convert", "mdlm", "ours", "--tokenizer", "tokenizer.json", "--dtype", "bfloat16")
    assert said.startswith("ours: MDLM, ") and "16 tokens of 299 values" in said
    model = load_model("ours")
    assert model.network.dtype_policy.name == "bfloat16"
    assert model.tokenizer.special_tokens["<|spare_0|>"] == 270


def test_an_orbax_folder(ask, tmp_path):
    orbax_double = pytest.importorskip("tests.conversion.orbax_double")
    reference = load_reference("md4_loss_text")
    params = reference_params(reference)
    averaged = {name: 2 * values for name, values in params.items()}
    orbax_double.save_run(tmp_path / "run", {5: orbax_double.train_state(params, averaged)})
    (tmp_path / "config.json").write_text(json.dumps(reference_constructor(reference)))
    how = ("--config", "config.json", "--tokenizer", "none", "--json")
    found = json.loads(ask("convert", "run", "ours", "--raw", "--step", 5, *how))
    assert found["kind"] == "MD4" and found["tokenizer"] is None
    model = load_model("ours")
    assert model.recipe["converted"]["weights"] == "raw"
    ours, theirs = model.network.weights, from_md4(reference_constructor(reference), params)
    for each, expected in zip(ours, theirs.network.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(each), np.asarray(expected))


def test_text8_is_numbered_as_published(ask, tmp_path):
    orbax_double = pytest.importorskip("tests.conversion.orbax_double")
    reference = load_reference("md4_loss_text")
    constructor, params = reference_constructor(reference), reference_params(reference)
    size, generator = constructor["vocab_size"], np.random.default_rng(0)
    for name, values in params.items():
        shape = tuple(
            27 + each - size if each in (size, size + 1) else each for each in values.shape
        )
        params[name] = generator.normal(size=shape).astype("float32")
    orbax_double.save_run(tmp_path / "run", {5: orbax_double.train_state(params, params)})
    content = json.dumps({**constructor, "vocab_size": 27})
    (tmp_path / "config.json").write_text(content)
    ask("convert", "run", "ours", "--config", "config.json", "--tokenizer", "text8")
    assert load_model("ours").tokenizer.decode(np.array([0, 26, 25])) == "a z"


def test_mistakes_are_one_line(ask, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"architectures": ["BertModel"]}')
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for words, message in (
        (("none", "out"), "error: The checkpoint cannot be read: there is none."),
        (("other", "out"), "architectures=['BertModel']"),
        (("other", "full"), "something that is not a saved model"),
    ):
        said = ask("convert", *words, status=2)
        assert message in said and said.count("error: ") == 1
    assert not (tmp_path / "out").exists()
