import numpy as np

from md4keras.layers import attended_by_noised, attended_in_blocks
from tests.reference import array


def attended(blocks):
    mask, positions = attended_in_blocks(np.array([blocks], "int32"))
    return array(mask)[0].astype(int).tolist(), array(positions)[0].tolist()


def noised_see(blocks):
    return array(attended_by_noised(np.array([blocks], "int32")))[0].astype(int).tolist()


def test_one_stream():
    mask, positions = attended([0, 0, 1])
    assert mask == [[1, 1, 0], [1, 1, 0], [1, 1, 1]]
    assert positions == [0, 1, 2]


def test_noised_tokens_see_the_clean_blocks_before_and_their_own_noised_one():
    clean, noised = [[0, 0, 0], [0, 0, 0], [1, 1, 0]], [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    assert noised_see([0, 0, 1]) == np.concatenate([clean, noised], axis=1).tolist()


def test_padding_sees_padding_alone_and_is_not_seen():
    assert attended([-1, 0, 1]) == ([[1, 0, 0], [0, 1, 0], [0, 1, 1]], [0, 0, 1])
    assert noised_see([0, -1]) == [[0, 0, 1, 0], [0, 0, 0, 1]]


def test_one_row_of_blocks_serves_all_rows():
    mask, positions = attended_in_blocks(np.zeros((1, 4), "int32"))
    assert tuple(mask.shape) == (1, 4, 4) and tuple(positions.shape) == (1, 4)
    assert array(mask).all()
