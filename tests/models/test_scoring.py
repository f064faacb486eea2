"""`score` against exact probabilities, and text block by block."""

import numpy as np
import pytest

from md4keras import MD4, GenMD4
from md4keras.evaluation.sources import Enumerable
from md4keras.networks import Transformer, UNet
from tests.models.tabular import true_posterior
from tests.models.weights import randomised

X = np.array([[0, 1, 2, 0], [2, 2, 1, 0], [1, 0, 0, 2]], "int32")


@pytest.fixture(scope="module")
def joint():
    return Enumerable.random(3, 4).joint


def test_the_bound_of_true_conditionals_is_the_probability(joint):
    """In whatever order, true conditionals multiply to `p(x)`: within 4 standard errors."""
    bound, error = MD4(Enumerable(joint).denoiser()).score(X, num_samples=400, seed=1)
    exact = -np.log(joint[tuple(X.T)])
    assert bound.shape == error.shape == (3,) and (error > 0).all()
    assert (np.abs(bound - exact) < 4 * error + 2e-3).all()
    assert (error < 0.05 * exact).all()


def test_the_bound_given_some_tokens_is_the_conditional_probability(joint):
    given = np.array([True, False, True, False])
    bound, error = MD4(Enumerable(joint).denoiser()).score(X, num_samples=400, given=given)
    known = joint.sum(axis=(1, 3))[X[:, 0], X[:, 2]]
    exact = -np.log(joint[tuple(X.T)] / known)
    assert (np.abs(bound - exact) < 4 * error + 2e-3).all()


def test_genmd4_of_the_true_posterior_bounds_the_probability(joint):
    power = np.array([0.5, 1.0, 2.0])
    model = GenMD4(true_posterior(joint, power), eps=0.0)
    model.schedule.theta.assign(np.log(np.expm1(power)))
    states = np.indices(joint.shape).reshape(4, -1).T.astype("int32")
    bound, error = model.score(states, num_samples=64, batch_size=512)
    exact = float(-(joint * np.log(joint)).sum())
    total = float((joint.ravel() * bound).sum())
    noise = float(np.sqrt((joint.ravel() ** 2 * error**2).sum()))
    # The mean bound lies at the entropy (t1 apart), and not below it.
    assert -4 * noise < total - exact < 4 * noise + 0.02 * exact


@pytest.fixture(scope="module")
def model():
    return randomised(MD4(Transformer(5, 8, num_layers=1, num_heads=2, feature_dim=8)))


def test_a_score_depends_on_seed_and_example_alone(model):
    x = np.random.default_rng(1).integers(0, 5, (3, 8), "int32")
    bound, error = model.score(x, num_samples=10, seed=4, batch_size=7)
    again, _ = model.score(x, num_samples=10, seed=4, batch_size=64)
    np.testing.assert_allclose(bound, again, rtol=1e-5)
    first, _ = model.score(x[:1], num_samples=10, seed=4)
    np.testing.assert_allclose(first, bound[:1], rtol=1e-5)
    assert not np.allclose(model.score(x, num_samples=10, seed=5)[0], bound)


def test_the_standard_error_tells_the_spread_over_seeds(model):
    x = np.random.default_rng(1).integers(0, 5, (1, 8), "int32")
    results = [model.score(x, num_samples=16, seed=seed) for seed in range(60)]
    bounds, errors = np.array(results)[:, :, 0].T
    # 60 seeds: the spread is known to 9 %; pairs of strata make the estimate err upwards.
    assert 0.85 < np.sqrt((errors**2).mean()) / bounds.std(ddof=1) < 1.6


def test_the_mean_score_agrees_with_evaluate(model):
    x = np.random.default_rng(2).integers(0, 5, (64, 8), "int32")
    model.compile("sgd")
    bound, error = model.score(x, num_samples=64)
    logs = model.evaluate(x, batch_size=16, verbose=0, return_dict=True, num_passes=32)
    loss = logs["loss"] * 8
    assert abs(bound.mean() - loss) < 4 * np.sqrt((error**2).sum()) / 64 + 0.01 * loss


def test_blocks_continue_the_prompt_and_make_up_the_length(model):
    prompt = np.array([[1, 2, 3], [4, 4, 4]])
    blocks = list(model.generate_blocks(2, 11, prompt=prompt, block_length=4, num_steps=3, seed=6))
    assert [block.shape for block in blocks] == [(2, 4), (2, 4), (2, 3)]
    text = np.concatenate(blocks, axis=1)
    assert text.min() >= 0 and text.max() < 5
    alone = model.generate_blocks(1, 11, prompt=prompt[0], block_length=4, num_steps=3, seed=6)
    np.testing.assert_array_equal(np.concatenate(list(alone), axis=1), text[:1])
    # The second block is an infilling after the four tokens before it.
    context = np.concatenate([prompt, text[:, :4]], axis=1)[:, -4:]
    window = np.concatenate([context, np.zeros((2, 4), "int32")], axis=1)
    seed = int(np.random.SeedSequence((6, 1)).generate_state(1)[0])
    filled = model.infill(window, np.arange(8) >= 4, num_steps=3, seed=seed)
    np.testing.assert_array_equal(filled[:, 4:], text[:, 4:8])


def test_mistakes_are_named_before_any_work(model):
    x = np.zeros((2, 8), "int32")
    image = MD4(UNet(5, (4, 4, 1), num_layers=0, feature_dim=64))
    general = GenMD4(model.network)
    calls = {
        "at least 2.*num_samples=1.*two draws": lambda: model.score(x, num_samples=1),
        "in \\[0, 5\\).*from 5 to 5": lambda: model.score(x + 5),
        "nothing to score in row 0": lambda: model.score(x, given=np.ones(8, bool)),
        "`given` is a mask": lambda: model.score(x, given=x),
        "Only text": lambda: image.generate_blocks(1, 10),
        "from 1 to 8.*block_length=9": lambda: model.generate_blocks(1, 10, block_length=9),
        "block_length < 8": lambda: model.generate_blocks(1, 10, block_length=8),
        "length=0": lambda: model.generate_blocks(1, 0),
        "length=None": lambda: model.generate_blocks(1),
        "num_samples=None": lambda: model.generate_blocks(length=10),
        "`prompt` holds": lambda: model.generate_blocks(1, 10, prompt=x),
        "`prompt` cannot be used.*from 7 to 7": lambda: model.generate_blocks(1, 10, prompt=[7]),
        "Unknown sampler": lambda: model.generate_blocks(1, 10, sampler="magic"),
        "one schedule for all": lambda: general.generate_blocks(1, 10, sampler="event"),
    }
    for message, call in calls.items():
        with pytest.raises(ValueError, match=message):
            call()


def test_a_text_longer_than_the_learned_positions_is_refused_before_any_work():
    model = MD4(Transformer(5, 8, 1, 1, 8, positions="learned"))
    calls = (
        lambda: model.generate(1, data_shape=9),
        lambda: model.sample_steps(1, data_shape=9),
        lambda: model.infill(np.zeros((1, 9), "int32"), np.ones(9, bool)),
        lambda: model.score(np.zeros((1, 9), "int32")),
    )
    for call in calls:
        with pytest.raises(ValueError, match="at most 8. Received: length=9. Cut"):
            call()
    assert model.generate(1, num_steps=2, data_shape=7).shape == (1, 7)
