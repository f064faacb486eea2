"""The one exception for all that goes wrong at, or on the way to, a server."""


class ServingError(RuntimeError):
    """The server refused a request, failed at it, or could not be reached.

    Args:
        status: str, as gRPC names it, whichever way was asked: `INVALID_ARGUMENT` (a limit of the
            model, say), `NOT_FOUND` (no such model or version), `UNAVAILABLE` (nobody answers, or
            the model is not loaded yet), `DEADLINE_EXCEEDED`, `RESOURCE_EXHAUSTED`, `INTERNAL`.
        message: str, the server's, or what happened on the way to it.

    Attributes:
        status: as above.
        message: as above, without the list of graph nodes that TensorFlow appends.
    """

    def __init__(self, status: str, message: str):
        self.status = status
        # "\n\t [[{{node assert_less_equal/Assert}}]]": of use to who wrote the graph alone
        self.message = message.split("\n\t [[{{node")[0].strip() or "no reason given"
        super().__init__(f"{self.status}: {self.message}")
