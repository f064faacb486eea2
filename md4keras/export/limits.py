"""How much one request may ask for; the limits become part of the exported graph."""

import dataclasses
import numbers


@dataclasses.dataclass(frozen=True)
class Limits:
    """What an exported model refuses to exceed.

    Args:
        num_samples: int, samples (or rows) of one request.
        num_steps: int, steps of the reverse process.
        length: int, tokens of a text; `None` for the training length. Images have one size.
        num_draws: int, draws of masks when a row is scored.
    """

    num_samples: int = 64
    num_steps: int = 1024
    length: int | None = None
    num_draws: int = 1024

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
            least = 2 if field.name == "num_draws" else 1
            if (value is None and field.default is None) or (whole and least <= value < 2**24):
                continue
            raise ValueError(
                f"A limit is a whole number. Expected {least} <= {field.name} < 2**24. "
                f"Received: {field.name}={value!r}. Leave it out for {field.default!r}."
            )
