"""Token ids of a converted model: the published numbering, and ours, where the mask comes last."""

import numpy as np

from md4keras.checks import check_integers


def from_published(ids, vocabulary_size: int, published_mask: int | None) -> np.ndarray:
    """Published ids in our numbering: what lies above the mask moves down by one, the mask last.

    Args:
        ids: int array of any shape, in `[0, V]`, the mask among them.
        vocabulary_size: int `V`, without the mask.
        published_mask: int in `[0, V]`, the mask's published id; `None` where ids are equal.

    Returns:
        int32 array of the same shape.

    Example:

    >>> from_published([0, 1, 2, 3], vocabulary_size=3, published_mask=1).tolist()
    [0, 3, 1, 2]
    """
    ids = _checked(ids, vocabulary_size)
    if published_mask is None:
        return ids
    return np.where(ids == published_mask, vocabulary_size, ids - (ids > published_mask))


def to_published(ids, vocabulary_size: int, published_mask: int | None) -> np.ndarray:
    """Our ids in the published numbering, the inverse of `from_published`: the same arguments.

    Example:

    >>> to_published([0, 3, 1, 2], vocabulary_size=3, published_mask=1).tolist()
    [0, 1, 2, 3]
    """
    ids = _checked(ids, vocabulary_size)
    if published_mask is None:
        return ids
    return np.where(ids == vocabulary_size, published_mask, ids + (ids >= published_mask))


def _checked(ids, vocabulary_size: int) -> np.ndarray:
    mend = "These are the ids of the tokens and of the mask; check the tokenizer."
    return check_integers("ids", ids, (...,), vocabulary_size + 1, mend, least=0).astype("int32")
