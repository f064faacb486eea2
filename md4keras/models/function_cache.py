"""A cache of what was compiled for a model: for later calls, from any thread, with an end."""

import threading
from collections.abc import Callable, Hashable


class FunctionCache:
    """Remembers the things that were used last, by key.

    Threads may share it, as the sessions of an app share a model.

    Args:
        most: int, how many things are kept.
    """

    def __init__(self, most: int):
        self._most = most
        self._kept = {}  # in the order of use: a dictionary keeps that of insertion
        self._lock = threading.Lock()

    def __len__(self):
        return len(self._kept)

    def get(self, key: Hashable, make: Callable):
        """What is kept under the key, or what `make()` returns, which is kept from now on.

        `make` is called under the lock: it should wrap a function to be compiled, not compile it.
        """
        with self._lock:
            found = self._kept.pop(key, None)
            if found is None:
                found = make()
            self._kept[key] = found
            if len(self._kept) > self._most:
                del self._kept[next(iter(self._kept))]
            return found

    def clear(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._kept.clear()
