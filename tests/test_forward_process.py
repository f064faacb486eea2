"""Times and masks."""

import keras
import numpy as np
import pytest
from scipy import stats

from md4keras import forward_process, schedules


def array(value):
    return keras.ops.convert_to_numpy(value)


@pytest.mark.parametrize("batch_size", [1, 2, 49, 98, 256])
def test_antithetic_times_have_one_in_each_of_b_cells(batch_size):
    times = array(forward_process.sample_times(batch_size, keras.random.SeedGenerator(3)))
    assert times.shape == (batch_size,)
    assert ((times >= 0) & (times < 1)).all()
    # The cells are offset by the shared uniform, so compare gaps: all equal to 1/B.
    gaps = np.diff(np.sort(np.append(times, times.min() + 1)))
    np.testing.assert_allclose(gaps, 1 / batch_size, atol=1e-6)


def test_independent_times_are_uniform():
    times = array(forward_process.sample_times(4096, keras.random.SeedGenerator(0), "independent"))
    assert stats.kstest(times, "uniform").pvalue > 1e-3  # one false alarm in 1000 seeds


def test_discrete_times_lie_on_the_grid_and_end_at_one():
    t = np.array([0.0, 0.05, 0.1, 0.999999, 1.0], "float32")
    expected = [0.1, 0.1, 0.2, 1.0, 1.0]
    np.testing.assert_allclose(array(forward_process.discretize_times(t, 10)), expected, rtol=1e-6)


def test_masked_fraction_is_one_minus_alpha():
    x = np.zeros((64, 1000), "int32")
    alpha = array(schedules.Linear().alpha(np.full((64,), 0.3, "float32")))
    noise = np.random.default_rng(0).random(x.shape, "float32")
    zt = array(forward_process.mask_tokens(x, alpha[:, None], noise, mask_token=5))
    masked, count = (zt == 5).sum(), x.size
    assert set(np.unique(zt)) == {0, 5}
    # Binomial test at 1e-3; the seed is fixed.
    assert stats.binomtest(int(masked), count, 1 - float(alpha[0])).pvalue > 1e-3


@pytest.mark.parametrize("shape", [(8,), (3, 2, 2)])
def test_mask_by_rank_masks_the_stated_number(shape):
    batch, count = 40, int(np.prod(shape))
    x = np.ones((batch, *shape), "int32")
    fraction = np.linspace(0, 0.999, batch, dtype="float32")
    noise = np.random.default_rng(1).random(x.shape, "float32")
    zt, probability, num_masked = map(
        array, forward_process.mask_by_rank(x, fraction, noise, mask_token=9)
    )
    per_row = (zt == 9).reshape(batch, -1).sum(axis=1)
    np.testing.assert_array_equal(per_row, np.floor(fraction * count) + 1)
    np.testing.assert_array_equal(per_row, num_masked)
    np.testing.assert_array_equal(zt == 9, noise <= probability.reshape(-1, *[1] * len(shape)))


def test_mask_by_rank_draws_the_posterior_of_the_mask_probability():
    n, count, batch = 3, 8, 20_000
    noise = np.random.default_rng(2).random((batch, count), "float32")
    fraction = np.full((batch,), (n - 0.5) / count, "float32")
    x = np.zeros((batch, count), "int32")
    zt, probability, _ = map(array, forward_process.mask_by_rank(x, fraction, noise, 1))
    assert stats.kstest(probability, stats.beta(n, count - n + 1).cdf).pvalue > 1e-3
    masked_often = (zt == 1).mean(axis=0)  # each position alike
    np.testing.assert_allclose(masked_often, n / count, atol=4 * np.sqrt(0.25 / batch))


def test_an_unknown_way_to_draw_times_is_refused():
    with pytest.raises(ValueError, match="Expected one of"):
        forward_process.sample_times(4, keras.random.SeedGenerator(0), "sobol")
