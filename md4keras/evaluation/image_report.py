"""All figures of a set of images at once, beside the number of images they are of."""

import numpy as np

from md4keras.checks import check_has
from md4keras.evaluation import image_quality
from md4keras.visualization.pictures import image_colours

__all__ = ["ImageReport"]

FEW_FOR_FID = 10_000
"""Images, below which FID is too high by more than good models differ."""

_SUBSET = 1000  # images in a subset for KID
_SPLITS = 10  # of the inception score


class ImageReport:
    """What is to be said of a set of generated images.

    Args:
        inception: an `Inception`, or another function of images (uint8 `[n, height, width, 3]`)
            that returns `features` and `logits`, with a `preprocessing` that names what it does to
            images before.
        real: int `[m, height, width, channels]` in `[0, levels)`, at least 4 real images with 1 or
            3 channels, such as the training set.
        levels: int, values of a pixel; 256 for bytes.

    Call arguments:
        tokens: int `[n, height, width, channels]`, at least 4 images, such as `model.generate`
            returns.

    Returns:
        A dictionary:

        - `samples`, `real_images`: how many.
        - `fid`, `kid`, `kid_deviation`, `inception_score`, `inception_score_deviation`,
          `precision`, `recall`: see `image_quality`. Subsets for KID are of 1000 images, or as
          many as there are; precision and recall take the third neighbour.
        - `preprocessing`: str, what was done to the images before.
        - `warnings`: a list of strings.

    Raises:
        ValueError: for what is no such network or no such images.

    Example:

    ```python
    report = ImageReport(load_inception(path), training_images)
    print(report(model.generate(10_000, num_steps=256)))
    ```
    """

    def __init__(self, inception, real, levels: int = 256):
        mend = "`evaluation.inception.load_inception(path)` makes one."
        check_has("a network for images", inception, ("__call__", "preprocessing"), mend)
        self.inception, self.levels = inception, levels
        self._real = self._read("real", real).features

    def check(self, model) -> None:
        """Raises a `ValueError` if a model's samples are no images with the report's levels."""
        size, shape = model.network.vocabulary_size, tuple(model.network.data_shape)
        if size != self.levels or len(shape) != 3:
            raise ValueError(
                f"The model does not draw such images. Expected {self.levels} values in a shape "
                f"(height, width, channels). Received: vocabulary_size={size}, data_shape={shape}. "
                f"Make the report with levels={size}, and real images like the model's."
            )

    def __call__(self, tokens) -> dict:
        features, logits = self._read("tokens", tokens)
        n, m = len(features), len(self._real)
        fewest = min(n, m)
        kid = image_quality.kid(features, self._real, subset_size=min(_SUBSET, fewest))
        score = image_quality.inception_score(logits, splits=min(_SPLITS, n))
        near = image_quality.precision_recall(features, self._real)
        warnings = []
        if fewest < FEW_FOR_FID:
            warnings.append(f"FID of fewer than {FEW_FOR_FID} images is too high")
        if fewest < _SUBSET:
            warnings.append(f"KID of subsets of {fewest} images instead of {_SUBSET}")
        if max(n, m) > 2 * fewest:
            warnings.append("precision and recall of sets of unequal size")
        return {
            "samples": n,
            "real_images": m,
            "fid": image_quality.fid(features, self._real),
            "kid": kid.mean,
            "kid_deviation": kid.deviation,
            "inception_score": score.mean,
            "inception_score_deviation": score.deviation,
            "precision": near.precision,
            "recall": near.recall,
            "preprocessing": self.inception.preprocessing,
            "warnings": warnings,
        }

    def _read(self, name: str, images):
        """What the network makes of images in the report's levels."""
        count = len(images) if np.ndim(images) else 0
        if count < image_quality.FEWEST:
            raise ValueError(
                f"`{name}` has too few images. Expected at least {image_quality.FEWEST}; papers "
                f"take 50,000. Received: {count}. Pass more."
            )
        return self.inception(image_colours(images, self.levels))
