"""Settings of sampling: the arguments that all public methods share, checked."""

import dataclasses

from md4keras import random, samplers
from md4keras.checks import Interval, check_number, is_number


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a sample is drawn: the arguments that all public methods share, checked.

    Attributes:
        sampler: what draws.
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
        mend = "1.0 samples from the model as it is; 0 takes the likeliest tokens."
        if not (is_number(self.temperature) and self.temperature == 0):
            check_number("temperature", self.temperature, Interval(1e-4), mend)
        mend = "1 is the conditional model itself."
        check_number("guidance_scale", self.guidance_scale, Interval(), mend)
        object.__setattr__(self, "sampler", samplers.get(self.sampler))
        object.__setattr__(self, "grid", samplers.make_time_grid(self.num_steps, self.time_grid))
        object.__setattr__(self, "num_steps", int(self.num_steps))

    def with_steps(self, num_steps: int) -> "Settings":
        """The same with another number of steps."""
        return dataclasses.replace(self, num_steps=num_steps)

    def check(self, network, has_prompt: bool = False) -> None:
        """Raises a `ValueError` where the sampler, or guidance, is not for this network.

        Args:
            network: a network.
            has_prompt: bool, whether there is a prompt, which can be masked.
        """
        self.sampler.check_data_shape(network.data_shape)
        guided_by_label = getattr(network, "label_dropout", 0.0)
        if self.guidance_scale != 1.0 and not (guided_by_label or has_prompt):
            raise ValueError(
                "Guidance needs a network that was trained with and without labels, or a prompt. "
                "Expected `num_classes` and a `label_dropout` above 0, such as 0.1, or `prompt`. "
                f"Received: guidance_scale={self.guidance_scale}, label_dropout=0. Use "
                "guidance_scale=1."
            )
