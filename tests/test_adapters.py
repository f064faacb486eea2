"""Recipes that fine-tune through adapters: what they train, keep, go on with, and refuse."""

import json

import numpy as np
import pytest

import md4keras
from md4keras import tokenizers
from tests.reference import array
from tests.test_recipes import quick_evaluation, tiny  # noqa: F401
from tests.tiny_models import save_text_model
from train import build, initial, loop, plan, pydoc

pytestmark = pytest.mark.one_backend

PAIRS = [{"prompt": "say yes ", "answer": "yes"}, {"prompt": "say no ", "answer": "no"}] * 30


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(pair) + "\n" for pair in PAIRS))
    return path


CONVERTED = {
    "DiT": {"hidden_dim": 8, "feature_dim": 8},
    "Llama": {"hidden_dim": 8, "intermediate_dim": 16},
}


@pytest.mark.parametrize("network, tied", [("DiT", None), ("Llama", False), ("Llama", True)])
def test_networks_of_published_checkpoints_are_tuned(network, tied, tmp_path):
    """A run starts from them as from its own; here with a token more, of the end."""
    sizes = CONVERTED[network] | ({} if tied is None else {"tie_word_embeddings": tied})
    network = getattr(md4keras.networks, network)(27, 16, num_layers=1, num_heads=2, **sizes)
    saved = md4keras.MD4(network, schedule="log_linear")
    generator = np.random.default_rng(0)
    for weight in network.weights:  # biases, too
        weight.assign(generator.normal(size=weight.shape))
    saved.tokenizer = tokenizers.CharacterTokenizer()
    folder = md4keras.save_model(saved, tmp_path / "saved")
    asked = ["--init-from", str(folder), "--set", "rows=pairs", "lora.rank=2"]
    settings = plan.new(pydoc.RECIPE, pydoc.RECIPE.parse(asked)).settings
    build.check(settings)
    model = build.model(settings, 28)
    model.tokenizer = tokenizers.add_end(saved.tokenizer)
    initial.take_weights(model, folder)
    x = np.arange(32).reshape(2, 16) % 27
    x[:, ::3] = 27  # masked
    before = array(saved.predict_logits(x, np.full(2, 0.5)))
    after = array(model.predict_logits(np.where(x == 27, 28, x), np.full(2, 0.5)))
    np.testing.assert_allclose(after[..., :27], before, rtol=1e-5, atol=1e-5)
    assert type(model.schedule) is type(saved.schedule)


def run(folder, *words):
    return loop.main(tiny(pydoc.RECIPE), [*map(str, words), "--output", str(folder)])


@pytest.mark.slow
def test_answers_are_learnt_by_the_adapters_alone(pairs, tmp_path, capsys):
    first = tmp_path / "first"
    save_text_model(first)
    asked = ["--init-from", first, "--data", pairs, "--set", "rows=pairs", "max_ends=1"]
    asked += ["lora.rank=4", "optimizer.learning_rate=0.05", "--batch-size", 8]
    run(tmp_path / "run", *asked, "--steps", 24, "--interval", 12)
    assert "Adapters of rank 4 in 7 layers: " in capsys.readouterr().out
    model = md4keras.load_model(tmp_path / "run" / "model")
    before, after = (row["loss"] for row in model.recipe["history"])
    assert after < before
    base = md4keras.load_model(first).network
    kept = {weight.path: array(weight) for weight in base.weights}
    for weight in model.network.weights:  # one token more, of the end
        if weight.path in kept and kept[weight.path].shape == weight.shape:
            np.testing.assert_array_equal(array(weight), kept[weight.path])
    assert model.network.lora_rank == 4
    assert len(model.generate(2, num_steps=4)) == 2
    run(tmp_path / "run", "--extend", 2)
    again = md4keras.load_model(tmp_path / "run" / "model")
    adapter = model.network.lora_layers[0].lora_kernel_b
    assert (array(again.network.lora_layers[0].lora_kernel_b) != array(adapter)).any()
    run(tmp_path / "next", "--init-from", tmp_path / "run", "--data", pairs, "--steps", 2,
        "--set", "rows=pairs", "lora.rank=2", "lora.quantize=int8")  # fmt: skip
    small = md4keras.load_model(tmp_path / "next" / "model").network
    assert small.lora_rank == 2 and small.quantization_mode_of_layers == "int8"


@pytest.mark.parametrize(
    "settings, words",
    [
        (["lora.rank=4"], "--init-from MODEL"),
        (["lora.quantize=int8"], "lora.rank=8"),
        (["lora.rank=0"], "Received: lora.rank=0"),
        (["lora.quantize=int2"], "int8"),
    ],
)
def test_what_makes_no_sense_is_refused(settings, words, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(tmp_path / "run", "--set", *settings)
    assert words in capsys.readouterr().err
