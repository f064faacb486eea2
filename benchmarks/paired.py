"""Timing alternately: what slows the machine down for a while, slows down both.

Each measurement runs in a process of its own (`serve`), so that its peak memory is its own too.
"""

import contextlib
import sys

from benchmarks.subprocesses import say


def alternate(starters, runs: int, apart: bool = False) -> list[list[dict]]:
    """Measures in turn, in one order and then in the other; the first measurement is warm-up.

    Args:
        starters: functions that start a `Measurement` each, which answers.
        runs: int, measurements of each that are kept.
        apart: bool, whether each measurement has a process of its own, with a warm-up of its own;
            else all processes hold their models in memory until the end.

    Returns:
        for each of the starters its answers, `runs` dictionaries.
    """
    answers = [[] for _ in starters]
    with contextlib.ExitStack() as stack:
        if not apart:
            running = [stack.enter_context(start()) for start in starters]
            for measurement in running:
                measurement.ask()
        for run in range(runs):
            for number in range(len(starters))[:: -1 if run % 2 else 1]:
                if apart:
                    with starters[number]() as measurement:
                        measurement.ask()
                        answers[number].append(measurement.ask())
                else:
                    answers[number].append(running[number].ask())
    return answers


def ratios(answers: list[dict], baseline: list[dict], figure: str = "seconds") -> list[float]:
    """A figure of each run over that of the baseline's run beside it."""
    return [here[figure] / there[figure] for here, there in zip(answers, baseline, strict=True)]


def serve(measure) -> None:
    """Measures once for each line of the standard input, until it ends.

    Args:
        measure: function without arguments that returns a dictionary.
    """
    for _ in sys.stdin:
        say(measure())
