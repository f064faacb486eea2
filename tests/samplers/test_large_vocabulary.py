"""One reverse step at a small rate and a large vocabulary, where a plain Gumbel draw goes wrong.

Where the mask is one outcome of the categorical beside 48,000 tokens, a float32
`-log(-log(u))`, which never passes 16, leaves unlikely tokens no chance against it.
"""

import numpy as np
import pytest

from md4keras import samplers, schedules
from tests.models.tabular import chi_square
from tests.reference import array

VALUES, LEVELS, ROWS, REVEAL = 48_000, 12, 20_000, 2e-3
# As many values at each of 12 logits, from the least to the most likely.
LOGITS = np.repeat(np.linspace(-1.0, 1.0, LEVELS), VALUES // LEVELS).astype("float32")
ANCESTRAL, SCHEDULE, S, T = samplers.Ancestral(), schedules.Linear(eps=0.0), 1.0 - REVEAL, 1.0


def p_value(counts, probabilities) -> float:
    """Chi-square over three outcomes: an unlikely token, a likely one, still masked.

    Args:
        counts: int array `[LEVELS + 1]`, tokens by level, and masks.
        probabilities: float array `[VALUES + 1]`, what the step is to draw from.
    """
    levels = np.add.reduceat(probabilities, np.arange(0, VALUES + 1, VALUES // LEVELS))
    halves = [0, LEVELS // 2, LEVELS]
    return chi_square(np.add.reduceat(counts, halves), np.add.reduceat(levels, halves))


def stated() -> np.ndarray:
    zt = np.full((1, 1), VALUES, "int32")
    return array(ANCESTRAL.step_probabilities(LOGITS[None, None], zt, S, T, SCHEDULE))[0, 0]


def drawn_by_ancestral() -> np.ndarray:
    """Counts by level of `ROWS` steps from all masked."""
    import jax  # the steps are compiled, which halves the time

    rng = np.random.default_rng(0)
    shape = (250, 1)
    logits, zt = np.tile(LOGITS, (*shape, 1)), np.full(shape, VALUES, "int32")
    memory = samplers.Memory(np.zeros(shape, bool), np.zeros(shape, "float32"))
    step = jax.jit(
        lambda logits, noise: ANCESTRAL.step(logits, zt, S, T, SCHEDULE, noise, memory)[0]
    )
    counts = np.zeros(LEVELS + 1, int)
    for _ in range(ROWS // shape[0]):
        noise = tuple(rng.random(shape, "float32") for _ in range(2))
        tokens = np.asarray(step(logits, noise)).ravel()
        counts += np.bincount(tokens // (VALUES // LEVELS), minlength=LEVELS + 1)
    return counts


def drawn_by_plain_gumbel() -> np.ndarray:
    """Counts by level of `argmax(log p - log(-log u))` over tokens and mask, in float32.

    Uniforms are multiples of 2**-23, as float32 generators give. Of the values at one level only
    the largest uniform counts; the largest of n is `floor(2**23 U**(1/n)) / 2**23`.
    """
    rng = np.random.default_rng(0)
    probabilities = stated().astype("float64")
    log_p = np.log(np.append(probabilities[: -1 : VALUES // LEVELS], probabilities[-1]))
    of_tokens = rng.random((ROWS, LEVELS)) ** (LEVELS / VALUES)
    uniforms = np.column_stack([of_tokens, rng.random(ROWS)])
    uniforms = np.maximum(np.floor(uniforms * 2**23) / 2**23, 1e-30).astype("float32")
    winners = np.argmax(log_p.astype("float32") - np.log(-np.log(uniforms)), axis=1)
    return np.bincount(winners, minlength=LEVELS + 1)


@pytest.mark.one_backend
def test_a_step_at_a_small_rate_is_exact():
    """One false alarm in 1000 seeds."""
    assert p_value(drawn_by_ancestral(), stated()) > 1e-3


@pytest.mark.one_backend
def test_a_plain_gumbel_draw_fails_the_same_test():
    """The test of the test: most of the 40 reveals are lost, the unlikely tokens' first."""
    assert p_value(drawn_by_plain_gumbel(), stated()) < 1e-3
