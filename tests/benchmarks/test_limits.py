"""The steps take no more memory and arithmetic than they may; compiled at full size, not run."""

import pytest

from benchmarks import compiled, settings

pytestmark = pytest.mark.one_backend

QUICK = {("md4_owt", "activations"), ("sampling_step", "event")}
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
