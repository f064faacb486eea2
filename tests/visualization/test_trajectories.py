import numpy as np
import pytest

from md4keras.visualization.trajectories import (
    GIVEN_COLOUR,
    masked_again,
    reveal_steps,
    step_colours,
)

pytestmark = pytest.mark.one_backend

MASK = 9

# What dichromats see, on linear RGB (Machado et al., 2009, severity 1).
EYES = {
    "full vision": np.eye(3),
    "no red cones": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "no green cones": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}


def lab(colours, eye):
    """CIELAB coordinates of sRGB colours as an eye sees them: distances are differences seen."""
    c = np.asarray(colours) / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    linear = np.clip(linear @ eye.T, 0, 1)
    to_xyz = [[0.41246, 0.35758, 0.18044], [0.21267, 0.71515, 0.07217], [0.01933, 0.11919, 0.95030]]
    xyz = linear @ np.transpose(to_xyz) / [0.95047, 1, 1.08883]
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


@pytest.mark.parametrize("data_shape", [(40,), (4, 5, 3)])
def test_the_order_of_revealing_is_recovered(data_shape):
    rng = np.random.default_rng(0)
    final = rng.integers(0, MASK, (3, *data_shape))
    order = rng.integers(0, 7, final.shape)  # 0: given
    states = np.stack([np.where(order <= step, final, MASK) for step in range(7)])
    steps = reveal_steps(states, MASK)
    assert steps.dtype == "int32" and steps.shape == final.shape
    np.testing.assert_array_equal(steps, order)


def test_of_several_revealings_the_last_counts():
    states = np.array(
        [
            [[MASK, MASK, 1, 1, MASK]],
            [[2, 2, 1, 1, 2]],
            [[MASK, 2, MASK, 1, MASK]],
            [[3, 2, 1, 1, MASK]],
            [[3, 2, 1, 1, 2]],
        ]
    )
    np.testing.assert_array_equal(reveal_steps(states, MASK), [[3, 1, 3, 0, 4]])


def test_from_its_step_on_a_position_is_final_and_before_it_was_not():
    rng = np.random.default_rng(0)
    states = rng.integers(0, 3, (12, 4, 30))
    states[rng.random(states.shape) < 0.4] = MASK
    states[-1] = rng.integers(0, 3, states[-1].shape)
    steps = reveal_steps(states, MASK)
    for step, state in enumerate(states):
        assert (state == states[-1])[step >= steps].all()
        assert (state != states[-1])[step == steps - 1].all()


def test_a_trajectory_without_steps_was_given():
    assert (reveal_steps(np.ones((1, 2, 3), int), MASK) == 0).all()


def test_a_mask_at_the_end_or_another_shape_is_refused():
    good = np.ones((3, 2, 4), int)
    for states in (good[0], good[:0], good[:, :0], good / 2, np.array(3)):
        with pytest.raises(ValueError, match="Received: states of shape"):
            reveal_steps(states, MASK)
    good[-1, 0, 1:] = MASK
    with pytest.raises(ValueError, match="Received: 3 of them, mask_token=9"):
        reveal_steps(good, MASK)
    assert reveal_steps(good[::-1], MASK)[0, 1] == 1  # masked first: revealed in the first step


@pytest.mark.parametrize("num_steps", [1, 2, 64, 1000])
def test_the_scale_goes_from_violet_to_yellow_and_given_is_grey(num_steps):
    colours = step_colours(np.arange(num_steps + 1), num_steps)
    assert colours.dtype == "uint8" and colours.shape == (num_steps + 1, 3)
    assert tuple(colours[0]) == GIVEN_COLOUR and len(set(GIVEN_COLOUR)) == 1
    assert tuple(colours[1]) == (68, 1, 84)
    if num_steps > 1:
        assert tuple(colours[-1]) == (253, 231, 37)


@pytest.mark.parametrize("eye", EYES)
def test_later_steps_are_lighter_for_every_eye_and_none_looks_given(eye):
    colours = step_colours(np.arange(33), 32)
    seen = lab(colours, EYES[eye])  # [33, 3]
    assert (np.diff(seen[1:, 0]) > 1).all()
    assert np.linalg.norm(seen[1:] - seen[0], axis=-1).min() > 20
    assert np.linalg.norm(np.diff(seen[1:], axis=0), axis=-1).min() > 1.5  # all are told apart


def test_lightness_rises_evenly():
    lightness = lab(step_colours(np.arange(1, 101), 100), EYES["full vision"])[:, 0]
    straight = np.linspace(lightness[0], lightness[-1], 100)
    assert np.abs(lightness - straight).max() < 3  # of 100


def test_any_shape_is_coloured_element_by_element():
    steps = np.random.default_rng(0).integers(0, 8, (2, 3, 4))
    colours = step_colours(steps, 7)
    np.testing.assert_array_equal(colours, step_colours(np.arange(8), 7)[steps])
    np.testing.assert_array_equal(colours, step_colours(steps.astype("uint8"), 7))
    assert step_colours(np.zeros((0, 2), int), 7).shape == (0, 2, 3)


def test_steps_out_of_range_are_refused():
    for steps, num_steps in (([8], 7), ([-1], 7), ([0.5], 7), ([1], 0), ([1], 2.0), ([1], True)):
        with pytest.raises(ValueError, match="Received: (steps of shape.*dtype=|num_steps=)"):
            step_colours(steps, num_steps)


def test_what_is_masked_again_was_revealed_before():
    states = np.array([[[9, 9, 5]], [[9, 2, 5]], [[1, 9, 5]], [[1, 3, 5]]])
    again = masked_again(states, mask_token=9)
    assert np.argwhere(again).tolist() == [[2, 0, 1]]
