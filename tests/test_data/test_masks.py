import numpy as np
import pytest

from md4keras.data import masks

pytestmark = pytest.mark.one_backend

SHAPES = [(8, 8, 1), (5, 7, 3), (1, 1, 1), (3, 1, 2)]


@pytest.mark.parametrize("shape", SHAPES)
class TestEveryMask:
    def test_has_the_shape_of_the_image(self, shape):
        made = [
            masks.rectangle(shape, 0, 0, 1, 1),
            masks.random_fraction(shape, 0.5),
            masks.channel(shape, 0),
            masks.pixels(shape, [0]),
            *(masks.half(shape, side) for side in masks.SIDES),
        ]
        assert all(mask.shape == shape and mask.dtype == bool for mask in made)
        assert all(mask.flags.writeable for mask in made)

    def test_two_halves_make_the_whole_once(self, shape):
        for one, other in (("left", "right"), ("top", "bottom")):
            one, other = masks.half(shape, one), masks.half(shape, other)
            assert (one ^ other).all()
            assert 0 <= other.sum() - one.sum() <= other.size // min(shape[:2])

    def test_channels_make_the_whole_once(self, shape):
        total = sum(masks.channel(shape, index).astype(int) for index in range(shape[2]))
        assert (total == 1).all()

    def test_a_fraction_is_exact_and_grows_with_its_number(self, shape):
        smaller = np.zeros(shape, bool)
        for fraction in (0, 0.25, 0.5, np.float32(0.75), 1.0):
            mask = masks.random_fraction(shape, fraction, seed=3)
            assert mask.sum() == round(float(fraction) * shape[0] * shape[1]) * shape[2]
            assert (mask == mask[..., :1]).all()  # whole pixels
            assert (mask | smaller == mask).all()
            smaller = mask
        assert smaller.all()

    def test_all_pixels_are_the_whole_rectangle(self, shape):
        every = masks.pixels(shape, range(shape[0] * shape[1]))
        assert every.all()
        np.testing.assert_array_equal(every, masks.rectangle(shape, 0, 0, *shape[:2]))
        assert not masks.pixels(shape, []).any()


def test_a_rectangle_is_cut_off_at_the_border():
    shape = (4, 6, 3)
    assert masks.rectangle(shape, 1, 2, 2, 3).sum() == 2 * 3 * 3
    assert masks.rectangle(shape, 3, 4, 99, 99).sum() == 1 * 2 * 3
    assert not masks.rectangle(shape, 4, 0, 2, 2).any()
    assert not masks.rectangle(shape, 0, 0, 0, 6).any()


def test_halves_lie_where_they_say():
    for side, inside in (("left", (1, 0)), ("right", (1, 3)), ("top", (0, 1)), ("bottom", (3, 1))):
        mask = masks.half((4, 4, 1), side)
        assert mask[inside].all() and mask.sum() == 8


def test_seeds_differ_and_repeat():
    first, again, other = (masks.random_fraction((16, 16, 1), 0.5, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_pixels_count_along_rows():
    mask = masks.pixels((2, 3, 3), [4, 4])
    assert mask.sum() == 3 and mask[1, 1].all()


@pytest.mark.parametrize(
    "make, name",
    [
        (lambda: masks.rectangle((8, 8), 0, 0, 1, 1), "shape"),
        (lambda: masks.half((8, 8, 0), "left"), "shape"),
        (lambda: masks.half(8, "left"), "shape"),
        (lambda: masks.random_fraction((8, 8.0, 1), 0.5), "shape"),
        (lambda: masks.rectangle((8, 8, 1), -1, 0, 1, 1), "top"),
        (lambda: masks.rectangle((8, 8, 1), 0, 0, 1.5, 1), "height"),
        (lambda: masks.half((8, 8, 1), "middle"), "side"),
        (lambda: masks.random_fraction((8, 8, 1), 1.5), "fraction"),
        (lambda: masks.random_fraction((8, 8, 1), float("nan")), "fraction"),
        (lambda: masks.random_fraction((8, 8, 1), "half"), "fraction"),
        (lambda: masks.random_fraction((8, 8, 1), 0.5, seed=-1), "seed"),
        (lambda: masks.channel((8, 8, 3), 3), "index"),
        (lambda: masks.channel((8, 8, 3), True), "index"),
        (lambda: masks.pixels((8, 8, 1), [64]), "numbers"),
        (lambda: masks.pixels((8, 8, 1), [-1]), "numbers"),
        (lambda: masks.pixels((8, 8, 1), ["0"]), "numbers"),
        (lambda: masks.pixels((8, 8, 1), None), "numbers"),
    ],
)
def test_refuses_what_is_no_mask(make, name):
    with pytest.raises(ValueError, match=rf"`{name}`.*Received: .*\. [A-Z]"):
        make()
