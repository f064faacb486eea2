"""Weights that a file gives are not drawn first."""

import threading

import keras
import numpy as np
import pytest

from md4keras import MD4, load_model, save_model
from md4keras.layers import initializers
from md4keras.layers.initializers import Normal, Scaled
from md4keras.networks import DiT, Llama, Transformer, UNet, UViT
from tests.reference import array


def test_they_draw_what_those_of_keras_draw():
    for own, kerass in (
        (Scaled(seed=3), keras.initializers.LecunNormal(seed=3)),
        (Scaled(0.5, seed=3), keras.initializers.VarianceScaling(0.5, seed=3)),
        (Normal(stddev=0.2, seed=3), keras.initializers.RandomNormal(stddev=0.2, seed=3)),
    ):
        np.testing.assert_array_equal(array(own((4, 6))), array(kerass((4, 6))))
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(own))
        np.testing.assert_array_equal(array(again((4, 6))), array(own((4, 6))))


def test_they_are_left_out_in_one_thread_until_the_end():
    drawn = []
    with pytest.raises(RuntimeError), initializers.left_out(), initializers.left_out():
        assert not array(Normal()((2, 2), "float16")).any()
        thread = threading.Thread(target=lambda: drawn.append(array(Normal()((2, 2)))))
        thread.start()
        thread.join()
        raise RuntimeError
    assert drawn[0].all() and array(Scaled()((2, 2))).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Transformer(5, 8, 1, 1, 8, time_features="t", num_classes=2),
        lambda: DiT(5, 8, 1, 1, 8),
        lambda: Llama(5, 8, 1, 1, 8, 8),
        lambda: UNet(5, (4, 4, 1), 1, 64, num_classes=2),
        lambda: UViT(5, (4, 4, 1), 1, 32, 1, 1, 32, num_classes=2),
    ],
)
@pytest.mark.one_backend
def test_a_model_that_is_loaded_draws_nothing(make, tmp_path, monkeypatch):
    folder = save_model(MD4(make()), tmp_path / "model")

    def draw(*arguments, **how):
        raise AssertionError("drawn")

    for name in ("normal", "truncated_normal", "uniform"):
        monkeypatch.setattr(keras.src.initializers.random_initializers.random, name, draw)
    load_model(folder)
    with pytest.raises(AssertionError, match="drawn"):
        make()
