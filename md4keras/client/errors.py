"""The one exception for all that goes wrong at, or on the way to, a server."""

import contextlib


class ServingError(RuntimeError):
    """The server refused a request, failed at it, or could not be reached.

    Attributes:
        status: str, as gRPC names it, whichever way was asked: `INVALID_ARGUMENT` (a limit of the
            model, say), `NOT_FOUND` (no such model or version), `UNAVAILABLE` (nobody answers, or
            the model is not loaded yet), `DEADLINE_EXCEEDED`, `RESOURCE_EXHAUSTED`, `INTERNAL`.
        message: str, the server's without its list of graph nodes, or what happened on the way.

    Example:

    >>> str(md4keras.client.ServingError("UNAVAILABLE", "No server answers."))
    'UNAVAILABLE: No server answers.'
    """

    def __init__(self, status: str, message: str):
        self.status = status
        self.message = message.split("\n\t [[{{node")[0].strip() or "no reason given"
        super().__init__(f"{self.status}: {self.message}")


@contextlib.contextmanager
def reading(problem: str, *errors: type[Exception]):
    """Turns what goes wrong while an answer is read into a `ServingError` with this message."""
    try:
        yield
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError, *errors) as error:
        raise ServingError("INTERNAL", f"{problem} ({type(error).__name__}: {error}).") from error
