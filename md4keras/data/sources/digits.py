"""scikit-learn's handwritten digits."""

import hashlib

import numpy as np

from md4keras.data.source import Source, Splits
from md4keras.files import import_optional


class Digits(Source):
    """1,797 scanned digits of 8 x 8 pixels in 17 grey levels, 10 classes; needs no download.

    Every sixth image, those whose index leaves 5 when divided by 6, is for validation.

    Example:

    >>> digits = md4keras.data.digits()
    >>> images, labels = digits.training
    >>> images.shape, labels.shape, int(images.max())
    ((1498, 8, 8, 1), (1498,), 16)

    Reference: Alpaydin and Kaynak 1998, *Optical Recognition of Handwritten Digits*.
    """

    name, kind = "digits", "image"
    licence, home = "CC BY 4.0", "https://doi.org/10.24432/C50P49"
    baselines = ("per-pixel histogram",)

    def __call__(self) -> Splits:
        """Images int32 in `[0, 17)`, `[1498, 8, 8, 1]` and `[299, 8, 8, 1]`, labels int32 `[n]`."""
        datasets = import_optional("sklearn.datasets", "holds the digits", "scikit-learn")
        data = datasets.load_digits()
        x = data.images.astype("int32")[..., None]  # [1797, 8, 8, 1]
        y = data.target.astype("int32")
        held_out = np.arange(len(x)) % 6 == 5
        names = tuple("0123456789")
        facts = {
            "source": self.name,
            "images": len(x),
            "classes": list(names),
            "split": f"every sixth image is held out, {held_out.sum()} of {len(x)}",
            "fingerprint": hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest(),
        }
        parts = ((x[~held_out], y[~held_out]), (x[held_out], y[held_out]))
        return Splits(*parts, class_names=names, facts=facts)


digits = Digits()
