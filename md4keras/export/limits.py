"""Limits of what one request may ask for; they become part of the exported graph."""

import dataclasses

from md4keras.checks import check_whole


@dataclasses.dataclass(frozen=True)
class Limits:
    """What an exported model refuses to exceed.

    Args:
        num_samples: int, samples (or rows) of one request.
        num_steps: int, steps of the reverse process.
        length: int, tokens of a text; `None` for the training length. Images have one size.
        num_draws: int, draws of masks when a row is scored.

    Example:

    >>> md4keras.export.Limits(num_samples=8)
    Limits(num_samples=8, num_steps=1024, length=None, num_draws=1024)
    """

    num_samples: int = 64
    num_steps: int = 1024
    length: int | None = None
    num_draws: int = 1024

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if value is not None or field.default is not None:
                least = 2 if field.name == "num_draws" else 1
                mend = f"Leave it out for {field.default!r}."
                check_whole(field.name, value, least, 2**24 - 1, mend)
