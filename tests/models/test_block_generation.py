"""Block diffusion draws: the cache is exact, blocks of 1 are autoregressive, one block is MD4."""

import itertools

import keras
import numpy as np
import pytest

from md4keras import MD4, BlockDiffusion
from md4keras.checkpoints import from_bd3lm
from md4keras.networks import DiT
from md4keras.tokenizers import CharacterTokenizer
from tests.compiled import one_program
from tests.conversion.test_mdlm import close, published
from tests.models.tabular import chi_square, count_states
from tests.models.weights import randomised
from tests.reference import array

V, L = 3, 5


def make(block_size, **arguments):
    sizes = dict(num_layers=2, num_heads=2, hidden_dim=16, feature_dim=8)
    return randomised(BlockDiffusion(DiT(V, L, **{**sizes, **arguments}), block_size, seed=0))


@pytest.fixture(scope="module")
def model():
    return make(2)


def logits_by_blocks(model, x, zt):
    """Logits of each noised block after the clean ones before it, whose keys are kept."""
    cache, found = model.network.empty_cache(x.shape[0], 16), []
    for begin in range(0, x.shape[1], model.block_size):
        block = slice(begin, begin + model.block_size)
        found.append(model.logits_after(cache, zt[:, block]))
        cache = model.cache_after(cache, x[:, block])
    return keras.ops.concatenate(found, axis=1)


@pytest.mark.parametrize("name", ["bd3lm_block1", "bd3lm_block4", "bd3lm_block_whole"])
def test_logits_are_the_published_ones(name):
    reference, config, params = published(name)
    model = from_bd3lm(config, params)
    size, ordinary = model.block_size, slice(model.network.vocabulary_size)
    tokens = reference["sampling_tokens"].astype("int32")

    def last_block(clean, block, numbers):
        cache = model.network.empty_cache(len(tokens), max(1, clean.shape[1]))
        if clean.shape[1]:
            cache = model.cache_after(cache, clean, blocks=numbers)
        return model.logits_after(cache, block)

    before = tokens.shape[1] - size
    numbers = np.tile(np.arange(before, dtype="int32") // size, (len(tokens), 1))
    rows = (tokens[:, :before], tokens[:, before:], numbers)
    found = one_program(last_block, model)(*map(keras.ops.convert_to_tensor, rows))
    close(found, reference["sampling_logits"][:, -size:, ordinary])


@pytest.mark.parametrize("block_size", [1, 2, 5])
def test_at_every_block_logits_with_and_without_the_cache_are_equal(block_size):
    model, rng = make(block_size), np.random.default_rng(0)
    x = rng.integers(0, V, (3, 9)).astype("int32")
    zt = np.where(rng.random(x.shape) < 0.6, V, x).astype("int32")

    def both(x, zt):
        return logits_by_blocks(model, x, zt), model.training_logits(x, zt)

    cached, whole = one_program(both, model)(*map(keras.ops.convert_to_tensor, (x, zt)))
    np.testing.assert_allclose(array(cached), array(whole), atol=1e-5)


SAMPLERS = [
    "ancestral",
    "event",
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("confidence", "remasking", "top_p")),
]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_one_block_is_md4_token_for_token(sampler):
    model = make(L)
    how = {"sampler": sampler, "num_steps": 4, "seed": 3}
    expected = MD4(model.network).generate(16, **how)
    np.testing.assert_array_equal(model.generate(16, **how), expected)


def test_blocks_of_one_are_an_autoregressive_model():
    """Of 27 texts; the test errs once in 1,000 seeds."""
    model = make(1)
    texts = np.array(list(itertools.product(range(V), repeat=3)), "int32")
    logits = one_program(model.training_logits)(texts, np.full_like(texts, V))
    mu = array(keras.ops.softmax(logits, axis=-1))
    law = np.take_along_axis(mu, texts[..., None], axis=-1)[..., 0].prod(axis=1)
    np.testing.assert_allclose(law.sum(), 1.0, atol=1e-5)
    nats, _ = model.score(texts, sampler="left_to_right", num_steps=1)
    np.testing.assert_allclose(np.exp(-nats), law, rtol=1e-4)
    drawn = model.generate(6000, length=3, num_steps=1, seed=2)
    assert chi_square(count_states(drawn, V), law) > 1e-3


def test_all_ways_of_drawing_agree(model):
    """Compiled, by states, by blocks, alone, and past the training length."""
    how = {"length": 9, "num_steps": 3, "seed": 1}
    drawn = model.generate(4, **how)
    assert drawn.shape == (4, 9) and drawn.max() < V
    states = list(model.sample_steps(4, **how))
    np.testing.assert_array_equal(states[-1].tokens, drawn)
    assert (states[0].tokens == V).all() and states[0].calls == 0
    calls, most = ([getattr(state, name) for state in states] for name in ("calls", "most_calls"))
    assert calls == sorted(set(calls)) and most == sorted(most, reverse=True)
    assert states[0].most_calls == 5 * 4 and calls[-1] <= most[-1]
    blocks = list(model.generate_blocks(4, **how))
    assert [block.shape[1] for block in blocks] == [2, 2, 2, 2, 1]
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), drawn)
    np.testing.assert_array_equal(model.generate(1, **how), drawn[:1])
    shorter, longer = model.generate(2, **{**how, "length": [3, 9]})
    np.testing.assert_array_equal(longer, drawn[1])
    np.testing.assert_array_equal(shorter, drawn[0, :3])


def test_prompts_of_any_length_go_on_side_by_side_as_alone(model):
    texts, how = [[1, 2, 0], [1]], {"length": 6, "num_steps": 3, "seed": 1}
    drawn = model.generate(prompt=texts, **how)
    for text, row in zip(texts, drawn, strict=True):
        assert row[: len(text)].tolist() == text and len(row) == len(text) + 6
    np.testing.assert_array_equal(model.generate(prompt=texts[0], **how), drawn[0])
    blocks = list(model.generate_blocks(prompt=texts, **how))
    assert [block.shape[1] for block in blocks] == [1, 2, 2, 1]
    expected = [row[len(text) :] for text, row in zip(texts, drawn, strict=True)]
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), expected)


def test_gaps_are_filled_and_the_rest_stays(model):
    x = np.array([[0, 2, 1, 1, 0, 2, 1], [1, 1, 2, 0, 2, 0, 0]])
    mask = np.array([[0, 1, 0, 0, 0, 1, 1], [1, 0, 0, 0, 0, 0, 0]], bool)
    filled = model.infill(x, mask, num_steps=2)
    np.testing.assert_array_equal(filled[~mask], x[~mask])
    *_, last = model.infill_steps(x, mask, num_steps=2)
    np.testing.assert_array_equal(last.tokens, filled)
    np.testing.assert_array_equal(model.infill(x[:1], mask[:1], num_steps=2), filled[:1])
    beyond = x.copy()
    beyond[:, 2:] = 0  # what stands behind a block changes nothing in it
    np.testing.assert_array_equal(model.infill(beyond, mask, num_steps=2)[:, :2], filled[:, :2])


@pytest.mark.slow
def test_guidance_keeps_keys_of_both_halves():
    """At scale 0 labels do not matter; at 1 the doubled batch has the model's own logits."""
    model = make(2, num_classes=3, label_dropout=0.1)
    how = {"length": 6, "num_steps": 3}
    unguided = model.generate(3, labels=[0, 1, 2], guidance_scale=0.0, **how)
    again = model.generate(3, labels=[2, 2, 2], guidance_scale=0.0, **how)
    np.testing.assert_array_equal(unguided, again)
    near = model.generate(3, labels=[0, 1, 2], guidance_scale=1.0 + 1e-6, **how)
    np.testing.assert_array_equal(near, model.generate(3, labels=[0, 1, 2], **how))
    assert (near != unguided).any()


def test_texts_end_with_their_end_token():
    model = make(2)
    model.tokenizer = CharacterTokenizer("abc")
    model.tokenizer.end_token_id = 0
    how = {"num_steps": 2, "length": 40, "seed": 5}
    tokens = np.concatenate(list(model.generate_blocks(3, **how)), axis=1)
    assert tokens.shape[1] < 40 and (tokens == 0).any(axis=1).all()
    for row in tokens:  # nothing but ends behind the block of the first one
        first = row.argmin() if (row == 0).any() else len(row)
        assert (row[(first // 2 + 1) * 2 :] == 0).all()
    whole = model.generate(3, prompt=[[0]] * 3, **how)[:, 1:]
    assert whole.shape == (3, 40) and (whole[:, -1] == 0).all()


@pytest.mark.one_backend
def test_bad_arguments_are_named(model):
    x = np.zeros((1, 4), "int32")
    with pytest.raises(ValueError, match="block_length=3, block_size=2"):
        model.generate(1, block_length=3)
    with pytest.raises(ValueError, match="block_length=3"):
        model.generate_blocks(1, 4, block_length=3)
    for call in (model.generate, model.sample_steps, model.generate_blocks):
        with pytest.raises(ValueError, match="Guidance needs.*a prompt will not do"):
            call(prompt=[1], length=3, guidance_scale=2.0)
    with pytest.raises(ValueError, match="counted from the beginning.*segment_ids"):
        model.infill({"tokens": x, "segment_ids": x + 1}, x == 0)
    with pytest.raises(ValueError, match="padding behind it"):
        model.infill_steps({"tokens": x, "padding_mask": np.arange(4)[None] > 0}, x == 0)
    with pytest.raises(ValueError, match="without holes"):
        model.infill({"tokens": x, "padding_mask": np.arange(4)[None] != 1}, x == 0)
    with pytest.raises(ValueError, match="start_time"):
        model.infill_steps(x, x == 0, start_time=2.0)
