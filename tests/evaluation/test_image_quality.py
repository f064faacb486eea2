from pathlib import Path

import numpy as np
import pytest

from md4keras.evaluation import image_quality
from tests.evaluation.make_reference_numbers import features, logits

pytestmark = pytest.mark.one_backend

THEIRS = np.load(Path(__file__).with_name("reference_numbers.npz"))
REAL, GENERATED, FEW = features(1, 90), features(2, 80), features(3, 20)


def test_fid_is_that_of_torch_fidelity():
    assert image_quality.fid(GENERATED, REAL) == pytest.approx(float(THEIRS["fid"]), rel=1e-9)
    # Fewer samples than features: their eigenvalues of 0 have rounding in them.
    assert image_quality.fid(FEW, REAL) == pytest.approx(float(THEIRS["fid_few"]), rel=1e-5)


def test_fid_of_normal_distributions_is_known():
    x = np.random.default_rng(0).normal(size=(500, 4))
    assert image_quality.fid(x, x) == pytest.approx(0.0, abs=1e-9)
    # tr(S + 4 S - 2 (4 S^2)^(1/2)) = tr(S) along with means that are the same.
    x -= x.mean(axis=0)
    assert image_quality.fid(2 * x, x) == pytest.approx(np.trace(np.cov(x.T)))
    assert image_quality.fid(x[:, :1] + 3.0, x[:, :1]) == pytest.approx(9.0)


def test_kid_is_that_of_torch_fidelity():
    found = image_quality.kid(GENERATED, REAL, subsets=10, subset_size=50)
    np.testing.assert_allclose(found, THEIRS["kid"], rtol=1e-10)


def test_kid_is_unbiased():
    """Over many draws of equal distributions it is 0: five standard errors, once in a million."""
    generator = np.random.default_rng(0)
    draws = generator.normal(size=(300, 2, 10, 3))
    found = [image_quality.kid(x, y, subsets=1, subset_size=10).mean for x, y in draws]
    assert abs(np.mean(found)) < 5 * np.std(found) / np.sqrt(len(found))
    assert image_quality.kid(GENERATED, REAL, 5, 50, seed=1) != image_quality.kid(
        GENERATED, REAL, 5, 50, seed=2
    )


def test_inception_score_is_that_of_torch_fidelity():
    found = image_quality.inception_score(logits(), splits=4)
    np.testing.assert_allclose(found, THEIRS["inception_score"], rtol=1e-10)


def test_inception_score_lies_between_one_and_the_classes():
    same = np.zeros((20, 5))
    sure = 1e4 * np.eye(5)[np.arange(20) % 5]
    assert image_quality.inception_score(same, splits=1).mean == pytest.approx(1.0)
    assert image_quality.inception_score(sure, splits=1).mean == pytest.approx(5.0)


def test_precision_and_recall_are_those_of_torch_fidelity():
    found = image_quality.precision_recall(GENERATED, REAL)
    np.testing.assert_allclose(found, THEIRS["precision_recall"], rtol=1e-6)  # float32 there


def test_precision_and_recall_of_copies_and_of_one_mode():
    assert image_quality.precision_recall(REAL, REAL) == (1.0, 1.0)
    twice = np.concatenate([REAL[:1]] * 5)  # a ball without extent
    assert image_quality.precision_recall(twice, REAL) == (1.0, pytest.approx(1 / 90))
    assert image_quality.precision_recall(REAL + 1e3, REAL) == (0.0, 0.0)


@pytest.mark.parametrize("measure", [image_quality.fid, image_quality.precision_recall])
@pytest.mark.parametrize("bad", [[], [[1.0, 2.0]], np.zeros(5), [["a"]] * 9])
def test_refuses_what_are_no_features(measure, bad):
    with pytest.raises(ValueError, match=r"`real` cannot be used.*Received: real of shape"):
        measure(GENERATED, bad)


def test_names_what_is_wrong_with_features():
    with pytest.raises(ValueError, match="of one network.*Received: 64 and 63"):
        image_quality.fid(GENERATED, REAL[:, :63])
    bad = GENERATED.copy()
    bad[3, 2] = np.nan
    with pytest.raises(ValueError, match="Received: 1 of 80 rows with NaN"):
        image_quality.fid(bad, REAL)
    with pytest.raises(ValueError, match="`real`.*Expected real numbers.*dtype=complex128"):
        image_quality.fid(GENERATED, REAL + 1j)
    for call in (
        lambda: image_quality.kid(GENERATED, REAL, 5, 50, seed=-1),
        lambda: image_quality.inception_score(logits(), splits=4, seed=-1),
    ):
        with pytest.raises(ValueError, match="`seed` cannot be used.*Received: seed=-1"):
            call()
    with pytest.raises(ValueError, match="at most 80.*subset_size=1000.*use subset_size=80"):
        image_quality.kid(GENERATED, REAL)
