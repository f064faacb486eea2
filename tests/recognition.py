"""A simple classifier of real digits, the judge of generated ones."""

import functools

import numpy as np
from sklearn.svm import SVC

from md4keras import data


@functools.cache
def classifier():
    x, y = data.digits().training
    return SVC(gamma=0.001).fit(x.reshape(len(x), -1), y)


def recognised(tokens: np.ndarray, labels: np.ndarray) -> float:
    """The fraction of digits that the classifier takes for their labels."""
    return float((classifier().predict(tokens.reshape(len(tokens), -1)) == labels).mean())
