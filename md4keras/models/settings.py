"""Settings of sampling: the arguments that all public methods share, checked."""

import dataclasses

from md4keras import random, samplers
from md4keras.checks import Interval, check_number


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a sample is drawn: the arguments that all public methods share, checked.

    Attributes:
        grid: pair of float32 arrays `[T]`, `t` and `s` of each step, from time 1 to 0.
    """

    sampler: samplers.Sampler | str
    num_steps: int
    time_grid: str
    temperature: float
    seed: int
    guidance_scale: float
    grid: tuple = dataclasses.field(init=False, compare=False)

    def __post_init__(self):
        random.check_seed(self.seed)
        mend = "1.0 samples from the model as it is; smaller values give likelier samples."
        check_number("temperature", self.temperature, Interval(1e-4), mend)
        mend = "1 is the conditional model itself."
        check_number("guidance_scale", self.guidance_scale, Interval(), mend)
        object.__setattr__(self, "sampler", samplers.get(self.sampler))
        object.__setattr__(self, "grid", samplers.make_time_grid(self.num_steps, self.time_grid))
        object.__setattr__(self, "num_steps", int(self.num_steps))

    def check(self, network) -> None:
        """Raises a `ValueError` where the network was not trained for the guidance."""
        if self.guidance_scale != 1.0 and not getattr(network, "label_dropout", 0.0):
            raise ValueError(
                "Guidance needs a network that was trained with and without labels. Expected "
                "`num_classes` and a `label_dropout` above 0, such as 0.1. Received: "
                f"guidance_scale={self.guidance_scale}, label_dropout=0. Use guidance_scale=1."
            )
