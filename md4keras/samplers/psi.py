"""Psi-samplers: the ancestral posterior mixed with fresh noise, so that mistakes can be mended.

Reference: Deschenaux et al. 2026, *The Diffusion Duality, Chapter II: Psi-Samplers and Efficient
Curriculum* (arXiv 2602.21185); for masks the family is that of Wang et al. 2025, *Remasking
Discrete Diffusion Models with Inference-Time Scaling* (arXiv 2503.00307), whose rules are
`Remasking`.
"""

import dataclasses

import keras
from keras import ops

from md4keras.checks import Interval, check_name, check_number
from md4keras.forward_process import expand_like
from md4keras.samplers.sampler import Sampler, check_scalar_schedule
from md4keras.samplers.states import Memory

FORWARD_BACKWARD = "forward_backward"


class PosteriorMixture(Sampler):
    """A step draws `zs` from `kappa q(zs | zt, x) + (1 - kappa) q(zs | x)`, with `x` from `mu`.

    Under masking this is one number for each position: a revealed token is masked again with the
    probability `sigma = (1 - kappa)(1 - alpha_s)`, and a masked position becomes `v` with
    `(alpha_s - (1 - sigma) alpha_t)/(1 - alpha_t) mu_v`. Whatever `sigma`, the masked fraction
    follows the schedule, if it is the same for masked and revealed positions. Tokens that were
    given to `infill` stay. A subclass gives `sigmas`.

    Example:

    >>> issubclass(md4keras.samplers.Remasking, md4keras.samplers.PosteriorMixture)
    True
    """

    remembers = True

    def sigmas(self, alpha_s, alpha_t, may_go, remembered):
        """The `sigma` of masked and that of revealed positions; they broadcast against the state.

        Args:
            alpha_s, alpha_t: float32 tensors `[B, 1, ...]`.
            may_go: bool tensor `[B, *data_shape]`, what is revealed and was not given.
            remembered: float32 tensor `[B, *data_shape]`, the probability that the model itself
                gave each token when it was revealed.
        """
        raise NotImplementedError

    def check_schedule(self, schedule) -> None:
        check_scalar_schedule(self, schedule)

    def step_probabilities(self, logits, zt, s, t, schedule, memory=None):
        """As `Sampler.step_probabilities`; without `memory` all tokens were equally sure."""
        self.check_schedule(schedule)
        zt, mask_token = ops.convert_to_tensor(zt), logits.shape[-1]
        if memory is None:
            memory = Memory(ops.zeros(zt.shape, dtype="bool"), ops.zeros(zt.shape))
        rates = self._rates(ops.equal(zt, mask_token), s, t, schedule, memory)
        reveal, sigma = (ops.expand_dims(rate, -1) for rate in rates)
        mu = ops.softmax(self.filter(logits), axis=-1)
        masked = ops.concatenate([reveal * mu, 1.0 - reveal], axis=-1)
        one_hot = ops.one_hot(zt, mask_token + 1, dtype="float32")
        mask = ops.one_hot(ops.full_like(zt, mask_token), mask_token + 1, dtype="float32")
        revealed = (1.0 - sigma) * one_hot + sigma * mask
        return ops.where(ops.expand_dims(ops.equal(zt, mask_token), -1), masked, revealed)

    def step(self, logits, zt, s, t, schedule, noise, memory):
        mask_token = logits.shape[-1]
        masked = ops.equal(zt, mask_token)
        reveal, sigma = self._rates(masked, s, t, schedule, memory)
        tokens = self.draw(logits, noise)
        mu = ops.softmax(ops.cast(logits, "float32"), axis=-1)  # the model's own
        known = ops.expand_dims(ops.maximum(tokens, 0), -1)
        probability = ops.take_along_axis(mu, known, axis=-1)[..., 0]
        revealed = masked & (noise[0] < reveal)
        remasked = ~masked & (noise[0] < sigma)
        zs = ops.where(revealed, tokens, ops.where(remasked, ops.full_like(zt, mask_token), zt))
        return zs, ops.where(revealed, probability, memory.remembered)

    def _rates(self, masked, s, t, schedule, memory):
        """Probabilities to reveal a masked and to mask a revealed position, `[B, *data_shape]`."""
        alpha_t, alpha_s = (
            expand_like(ops.convert_to_tensor(schedule.alpha(time), dtype="float32"), masked)
            for time in (t, s)
        )
        may_go = ~masked & ~memory.given
        of_masked, of_revealed = self.sigmas(alpha_s, alpha_t, may_go, memory.remembered)
        reveal = (alpha_s - (1.0 - of_masked) * alpha_t) / (1.0 - alpha_t)
        reveal = ops.clip(reveal, 0.0, 1.0)  # rounding
        sigma = ops.where(may_go, of_revealed, 0.0)
        return ops.broadcast_to(reveal, ops.shape(masked)), sigma


def largest_sigma(alpha_s, alpha_t):
    """`min(1, (1 - alpha_s)/alpha_t)`: more would leave too few masks to reveal from."""
    return ops.minimum(1.0, (1.0 - alpha_s) / ops.maximum(alpha_t, 1e-30))


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class Psi(PosteriorMixture):
    """Ancestral sampling of a part `kappa`, and a guess that is noised afresh of the rest.

    With a probability of `1 - kappa` a position forgets its state: its token, drawn if it was
    masked, is shown at time `s` with probability `alpha_s`, as if it had just been noised. So
    tokens are masked again and drawn anew, given more than they were drawn from before. The masked
    fraction follows the schedule for any `kappa`; with the exact denoiser the samples follow its
    distribution as the steps become many.

    `kappa = 1` is ancestral sampling; 0 noises a guess of the whole at every step. Rules for
    `sigma` that are bounded by more than `1 - alpha_s` are `Remasking`.

    Args:
        filters: see `Sampler`.
        kappa: float in `[0, 1]`; or `"forward_backward"`: `sigma = (alpha_s - alpha_t)/alpha_t`
            (or the largest there can be), the forward process run beside the reverse one at its own
            rate (Campbell et al. 2022, *A Continuous Time Framework for Discrete Denoising Models*,
            Section 4.4).

    Example:

    >>> sampler, schedule = md4keras.samplers.Psi(kappa=0.5), md4keras.schedules.Linear()
    >>> logits, zt = np.log([[[0.6, 0.4]] * 2]), np.array([[0, 2]])  # revealed, and masked
    >>> print(np.asarray(sampler.step_probabilities(logits, zt, 0.4, 0.5, schedule)).round(2))
    [[[0.8  0.   0.2 ]
      [0.24 0.16 0.6 ]]]
    """

    kappa: object = 0.9

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.kappa, str):
            mend = "Or a number in [0, 1]; 1 is ancestral sampling."
            check_name("kappa", self.kappa, (FORWARD_BACKWARD,), mend)
        else:
            mend = f"1 is ancestral sampling. Or '{FORWARD_BACKWARD}'."
            check_number("kappa", self.kappa, Interval(0, 1), mend)

    def sigmas(self, alpha_s, alpha_t, may_go, remembered):
        if self.kappa == FORWARD_BACKWARD:
            sigma = (alpha_s - alpha_t) / ops.maximum(alpha_t, 1e-30)
            sigma = ops.minimum(sigma, largest_sigma(alpha_s, alpha_t))
        else:
            sigma = (1.0 - self.kappa) * (1.0 - alpha_s)
        return sigma, sigma
