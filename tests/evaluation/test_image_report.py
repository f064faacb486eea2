import numpy as np
import pytest

import md4keras
from md4keras.evaluation import image_quality
from md4keras.evaluation.image_report import ImageReport
from md4keras.evaluation.inception import InceptionOutputs
from tests.models.tabular import FixedLogits

pytestmark = pytest.mark.one_backend

GENERATOR = np.random.default_rng(0)
REAL = GENERATOR.integers(0, 17, (40, 4, 4, 1))
GENERATED = np.clip(GENERATOR.integers(0, 17, (12, 4, 4, 1)) + 3, 0, 16)


class Means:
    """Stands in for Inception: colours of a corner, and of the whole."""

    preprocessing = "none"

    def __call__(self, images):
        assert images.dtype == np.uint8 and images.shape[1:] == (4, 4, 3)
        x = images.astype("float32") / 255.0
        features = np.stack([x[:, 0, 0, 0], x[:, 1, 1, 1], x.mean((1, 2, 3))], axis=1)
        return InceptionOutputs(features, 9.0 * features)


def test_all_figures_stand_together():
    found = ImageReport(Means(), REAL, levels=17)(GENERATED)
    real, generated = (
        Means()((np.repeat(x, 3, -1) * 255 // 16).astype("uint8")) for x in (REAL, GENERATED)
    )
    assert found["samples"] == 12 and found["real_images"] == 40
    assert found["fid"] == image_quality.fid(generated.features, real.features)
    kid = image_quality.kid(generated.features, real.features, subset_size=12)
    assert (found["kid"], found["kid_deviation"]) == kid
    score = image_quality.inception_score(generated.logits)
    assert (found["inception_score"], found["inception_score_deviation"]) == score
    near = image_quality.precision_recall(generated.features, real.features)
    assert (found["precision"], found["recall"]) == near
    assert found["preprocessing"] == "none"
    assert [warning.split()[0] for warning in found["warnings"]] == ["FID", "KID", "precision"]


def test_real_images_are_best():
    report = ImageReport(Means(), REAL, levels=17)
    same, other = report(REAL), report(GENERATED)
    assert same["fid"] == pytest.approx(0.0, abs=1e-6) and other["fid"] > 0.01
    assert same["precision"] == same["recall"] == 1.0


def test_names_what_does_not_fit():
    report = ImageReport(Means(), REAL, levels=17)
    with pytest.raises(ValueError, match=r"`real` has too few images.*at least 4.*Received: 0"):
        ImageReport(Means(), [], levels=17)
    with pytest.raises(ValueError, match=r"`tokens` has too few images.*Received: 3"):
        report(GENERATED[:3])
    with pytest.raises(ValueError, match=r"not a network for images.*load_inception"):
        ImageReport("weights.pth", REAL)
    with pytest.raises(ValueError, match="values out of range"):
        ImageReport(Means(), REAL, levels=16)
    with pytest.raises(ValueError, match=r"does not draw such images.*vocabulary_size=17"):
        report.check(md4keras.MD4(FixedLogits(np.zeros(17), 8)))
