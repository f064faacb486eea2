"""Time grids and the registry of samplers."""

import numpy as np
import pytest

from md4keras import samplers
from tests.reference import load_reference


@pytest.mark.parametrize("grid", ["uniform", "cosine"])
@pytest.mark.parametrize("num_steps", [1, 2, 7, 256])
def test_grids_agree_with_the_published_ones(grid, num_steps):
    reference = load_reference("schedules")
    t, s = samplers.make_time_grid(num_steps, grid)
    np.testing.assert_allclose(t, reference[f"grid/{grid}/{num_steps}/t"], atol=1e-6)
    np.testing.assert_allclose(s, reference[f"grid/{grid}/{num_steps}/s"], atol=1e-6)
    assert s[-1] == 0.0 and t[0] == 1.0
    np.testing.assert_array_equal(t[1:], s[:-1])


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"num_steps": 0}, "at least 1"),
        ({"num_steps": 2.5}, "at least 1"),
        ({"num_steps": 4, "grid": "sine"}, "Expected one of \\('cosine', 'uniform'\\)"),
    ],
)
def test_bad_grids_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        samplers.make_time_grid(**arguments)


def test_an_unknown_sampler_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match="Expected one of 'ancestral'"):
        samplers.get("analytic")
    sampler = samplers.Ancestral()
    assert samplers.get(sampler) is sampler
