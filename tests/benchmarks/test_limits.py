"""The steps take no more memory and arithmetic than they may; compiled at full size, not run."""

import pytest

from benchmarks import compiled, devices, settings

pytestmark = pytest.mark.one_backend

QUICK = {("sampling_step", "event")}
CASES = [
    pytest.param(name, variant, marks=() if (name, variant) in QUICK else pytest.mark.slow)
    for name, setting in settings.SETTINGS.items()
    for variant in setting.limits
]


@pytest.mark.parametrize("name, variant", CASES)
def test_step_stays_within_its_limits(name, variant):
    cost, limit = compiled.measure(name, variant), settings.SETTINGS[name].limits[variant]
    assert cost["temporary_gb"] <= limit.temporary_gb
    assert cost["gflop"] <= limit.gflop
    if name.endswith("owt"):  # the head ran in chunks, and was counted as often as it turns
        assert cost["head_turns"] == 7


@pytest.mark.slow
def test_a_device_of_eight_needs_what_one_alone_needs():
    """MD4-S, 4 x 1024 tokens a device; at most 1.1 times the 3.04 GB of one device."""
    data, sharded = (devices.measure("MD4-S", layout, rows=4) for layout in devices.LAYOUTS)
    assert data["temporary_gb"] <= 1.1 * 3.04
    assert sharded["temporary_gb"] <= 1.1 * 3.04
    assert sharded["state_gb"] <= 1.02 * data["state_gb"] / devices.DEVICES


def test_the_most_rows_that_fit_are_found():
    def step(rows):
        return {"state_gb": 2.0, "temporary_gb": 1.0 + 0.3 * rows + (rows == 40)}

    assert devices.most_rows(step, 16) == 43  # 2 + 1 + 0.3 x 43 = 15.9
    assert devices.most_rows(step, 3) == 0


@pytest.mark.slow
def test_a_small_step_of_two_devices_is_measured():
    found = devices.measure("MD4-S", "sharded", rows=1, devices=2, tiny=True)
    assert 0 < found["state_gb"] < 1e-3 and 0 < found["temporary_gb"] < 1e-2
