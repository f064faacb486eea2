"""Output of a command: results go to standard output, all else to standard error."""

import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator

from md4keras import files
from md4keras.backend import COMPILES_EACH_SHAPE

_SECONDS = 10  # between two words on how far a run is


def printable(text: str) -> str:
    r"""Text in which control characters are spelled out, so that they do not steer a terminal.

    Line ends and tabs stay.

    Example:

    >>> printable("a\x1b[2Jb\tc")
    'a\\x1b[2Jb\tc'
    """
    return files.printable(text, kept="\n\t")


def say(words: str) -> None:
    """A line for whoever waits, on standard error."""
    print(printable(words), file=sys.stderr, flush=True)


def _calls(state) -> str:
    return f"{state.calls} of at most {state.most_calls} network calls"


def followed(states: Iterable, what: str, progress: Callable[..., str] = _calls) -> Iterator:
    """The states of a run, such as those of `model.sample_steps`, with words on how far it is.

    Args:
        states: with `calls` and `most_calls`.
        what: str, what is done, for the words.
        progress: function of a state that returns the words on how far it is.
    """
    say(f"{what}{' (it compiles first, some seconds)' if COMPILES_EACH_SHAPE else ''} ...")
    said = time.monotonic()
    for state in states:
        yield state
        if time.monotonic() - said > _SECONDS:
            said = time.monotonic()
            say(f"  {progress(state)}")


def print_json(result) -> None:
    """Prints a result as JSON: control characters are escaped, there is no NaN."""
    print(json.dumps(result, indent=2, allow_nan=False))
