"""The approximate prefix cache of `generate_blocks`: where it is exact, and where it is near."""

import keras
import numpy as np
import pytest

from md4keras import MD4
from md4keras.networks import DiT, Transformer
from tests.compiled import one_program
from tests.models.weights import randomised
from tests.reference import array

V, WINDOW = 5, 8
HOW = {"length": 12, "block_length": 4, "seed": 3}


def make(num_layers, **arguments):
    network = DiT(V, WINDOW, num_layers, num_heads=2, hidden_dim=16, feature_dim=8, **arguments)
    return randomised(MD4(network, seed=0))


def drawn(model, **how):
    return np.concatenate(list(model.generate_blocks(**{**HOW, **how})), axis=1)


@pytest.mark.parametrize(
    "how",
    [
        {"prompt": [[1, 2, 0], [3]], "num_steps": 3},
        pytest.param({"num_samples": 2, "num_steps": 3}, marks=pytest.mark.slow),
        pytest.param({"num_samples": 3, "sampler": "event"}, marks=pytest.mark.slow),
        pytest.param({"prompt": [[1, 2], [3]], "guidance_scale": 2.0}, marks=pytest.mark.slow),
    ],
    ids=["prompts", "without", "event", "guided"],
)
def test_with_one_layer_it_is_exact(how):
    """Keys and values of the first layer know their own token alone."""
    model = make(1)
    np.testing.assert_array_equal(drawn(model, prefix_cache=True, **how), drawn(model, **how))


@pytest.mark.slow
def test_guidance_by_labels_keeps_both_halves():
    model = make(1, num_classes=3, label_dropout=0.1)
    how = {"labels": [0, 2], "num_samples": 2, "guidance_scale": 2.0, "num_steps": 3}
    np.testing.assert_array_equal(drawn(model, prefix_cache=True, **how), drawn(model, **how))


def test_the_first_step_of_a_block_is_exact_and_later_ones_are_near():
    model, rng = make(2), np.random.default_rng(0)
    x = rng.integers(0, V, (3, 8)).astype("int32")
    masks = np.where(np.arange(8) < 4, x, V).astype("int32")
    later = np.where(np.arange(8) == 6, V, x).astype("int32")

    def both(masks, later):
        cache = model.cache_after(model.network.empty_cache(3, 4), masks, count=4)
        kept = [model.logits_after(cache, rows[:, 4:]) for rows in (masks, later)]
        return kept, [model.predict_logits(rows, None)[:, 4:] for rows in (masks, later)]

    kept, whole = one_program(both, model)(*map(keras.ops.convert_to_tensor, (masks, later)))
    (first, then), (first_whole, then_whole) = map(array, kept), map(array, whole)
    np.testing.assert_allclose(first, first_whole, atol=1e-5)
    assert 1e-5 < np.abs(then - then_whole).max() < 0.1 * np.ptp(then_whole)


@pytest.mark.one_backend
def test_networks_that_keep_nothing_are_refused():
    plain = MD4(Transformer(V, WINDOW, num_layers=1, num_heads=2, feature_dim=8))
    with pytest.raises(ValueError, match="cannot keep keys and values.*a Transformer"):
        plain.generate_blocks(1, 12, prefix_cache=True)
    with pytest.raises(ValueError, match="without time.*time_features='t'"):
        make(1, time_features="t").generate_blocks(1, 12, prefix_cache=True)
