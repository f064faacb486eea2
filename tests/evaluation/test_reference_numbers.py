"""The committed numbers are what the packages give that define the measures."""

import numpy as np
import pytest

from tests.evaluation import make_reference_numbers as numbers

pytestmark = [pytest.mark.one_backend, pytest.mark.slow]


@pytest.mark.parametrize(
    "packages, made",
    [
        (("torch", "torch_fidelity"), numbers.of_torch_fidelity),
        (("torch", "transformers", "mauve"), numbers.of_transformers),
    ],
)
def test_they_are_the_packages(packages, made):
    for package in packages:
        if __import__("importlib.util").util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    committed = np.load(numbers.PATH)
    for name, value in made().items():
        np.testing.assert_allclose(value, committed[name], rtol=1e-4, atol=1e-5, err_msg=name)
