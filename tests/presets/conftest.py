"""A saved model of text, for all tests of presets."""

import pytest

from md4keras import MD4, save_model
from md4keras.networks import Transformer
from md4keras.tokenizers import CharacterTokenizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    model = MD4(Transformer(5, 8, num_layers=1, num_heads=1, feature_dim=8))
    model.tokenizer = CharacterTokenizer("abcde")
    return save_model(model, tmp_path_factory.mktemp("saved") / "model")
