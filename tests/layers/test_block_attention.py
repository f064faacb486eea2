import numpy as np

from md4keras.layers import attended_in_blocks
from tests.reference import array


def attended(blocks, two_streams=False):
    mask, positions = attended_in_blocks(np.array([blocks], "int32"), two_streams)
    return array(mask)[0].astype(int).tolist(), array(positions)[0].tolist()


def test_one_stream():
    mask, positions = attended([0, 0, 1])
    assert mask == [[1, 1, 0], [1, 1, 0], [1, 1, 1]]
    assert positions == [0, 1, 2]


def test_two_streams_are_the_three_parts_of_the_published_mask():
    mask, positions = attended([0, 0, 1], two_streams=True)
    noised = [[1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 1, 0]]
    clean = [[0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 0], [0, 0, 0, 1, 1, 1]]
    assert mask == noised + clean
    assert positions == [0, 1, 2] * 2


def test_padding_sees_padding_alone_and_is_not_seen():
    assert attended([-1, 0, 1]) == ([[1, 0, 0], [0, 1, 0], [0, 1, 1]], [0, 0, 1])
    mask, positions = attended([0, -1], two_streams=True)
    assert mask == [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]
    assert positions == [0, 1, 0, 1]


def test_one_row_of_blocks_serves_all_rows():
    mask, positions = attended_in_blocks(np.zeros((1, 4), "int32"))
    assert tuple(mask.shape) == (1, 4, 4) and tuple(positions.shape) == (1, 4)
    assert array(mask).all()
