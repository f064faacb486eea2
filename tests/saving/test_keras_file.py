"""`model.save("x.keras")`: the model as Keras users expect it, with its tokenizer and recipe."""

import keras
import numpy as np
import pytest

from md4keras import MD4, GenMD4
from md4keras.networks import Transformer, UNet, UViT
from md4keras.tokenizers import CharacterTokenizer
from tests.reference import array

NETWORKS = {
    "transformer": lambda: Transformer(5, 8, num_layers=1, num_heads=2, feature_dim=8),
    "unet": lambda: UNet(4, (4, 6, 2), 0, 64),
    "uvit": lambda: UViT(4, (4, 6, 2), 0, 32, 1, 2, 8),
}


@pytest.mark.parametrize("cls", [MD4, pytest.param(GenMD4, marks=pytest.mark.slow)])
def test_a_trained_model_comes_back_whole(tmp_path, cls):
    model = cls(NETWORKS["transformer"]())
    model.tokenizer, model.recipe = CharacterTokenizer("abcde"), {"steps": 1}
    model.compile(keras.optimizers.AdamW(1e-2, use_ema=True), micro_batches=2)
    model.fit(np.zeros((8, 8), "int32"), batch_size=4, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again) is cls and again.get_config() == model.get_config()
    assert again.tokenizer.decode([0, 4]) == "ae" and again.recipe == {"steps": 1}
    pairs = zip(
        model.weights + model.optimizer.variables,
        again.weights + again.optimizer.variables,
        strict=True,
    )
    for ours, theirs in pairs:
        np.testing.assert_array_equal(array(ours), array(theirs))
    assert int(array(again.optimizer.iterations)) == 2 and again.micro_batches == 2
    zt = np.full((1, 8), 5)
    np.testing.assert_array_equal(
        array(model.predict_logits(zt, 0.5)), array(again.predict_logits(zt, 0.5))
    )
    again.fit(np.zeros((8, 8), "int32"), batch_size=4, verbose=0)
    assert int(array(again.optimizer.iterations)) == 4


@pytest.mark.one_backend
def test_a_recipe_that_is_none_is_refused(tmp_path):
    """As in a saved model."""
    (tmp_path / "recipe.json").write_text("[1]")
    with pytest.raises(ValueError, match="'recipe.json' is no dictionary"):
        MD4(NETWORKS["transformer"]()).load_assets(str(tmp_path))


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_comes_back_without_a_tokenizer(tmp_path, name):
    network = NETWORKS[name]()
    network.save(tmp_path / "network.keras")
    again = keras.saving.load_model(tmp_path / "network.keras")
    assert type(again) is type(network)
    for ours, theirs in zip(network.weights, again.weights, strict=True):
        np.testing.assert_array_equal(array(ours), array(theirs))
    model = MD4(again)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.tokenizer is None and loaded.recipe is None


@pytest.mark.one_backend
@pytest.mark.parametrize("name", NETWORKS)
def test_a_summary_shows_the_layers_with_shapes_and_counts(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "130")  # of the terminal, at which lines are cut
    network, lines = NETWORKS[name](), []
    MD4(network).summary(line_length=120, print_fn=lambda line, **_: lines.append(line))
    text = "\n".join(lines)
    for layer in network.backbone.layers:
        if layer.weights:
            assert f"└ {layer.name}" in text and f"{layer.count_params():,}" in text
    assert f"Trainable params: {network.count_params():,}" in text
    lines.clear()
    network.summary(line_length=120, expand_nested=False, print_fn=lambda x, **_: lines.append(x))
    assert "token_embedding" not in "\n".join(lines) and "backbone" in "\n".join(lines)


@pytest.mark.one_backend
def test_a_network_s_drawing_has_its_layers_in_the_nested_model():
    pytest.importorskip("pydot")
    network = NETWORKS["transformer"]()
    dot = keras.utils.model_to_dot(network, show_shapes=True, expand_nested=True).to_string()
    assert "cluster_backbone" in dot
    for layer in network.backbone.layers:
        assert f"<b>{layer.name}</b>" in dot
    assert "(None, None, 5)" in dot
