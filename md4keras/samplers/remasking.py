"""ReMDM: rules by which what was revealed is masked again, so that mistakes can be mended."""

import dataclasses

import keras
from keras import ops

from md4keras.checks import Interval, check_has, check_name, check_number
from md4keras.samplers.psi import PosteriorMixture, largest_sigma
from md4keras.samplers.sampler import Configured


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class Rescale(Configured):
    """`sigma = eta sigma_max`; what the other rules have to offer too.

    Args:
        eta: float in `[0, 1]`.

    Example:

    >>> md4keras.samplers.Rescale(0.5).masked_sigma(0.4)
    0.2
    """

    eta: float = 0.02

    def __post_init__(self):
        check_number("eta", self.eta, Interval(0, 1))

    def masked_sigma(self, largest):
        """The `sigma` by which a masked position is revealed more often, like `largest`.

        Args:
            largest: float32 tensor `[B, 1, ...]`, `sigma_max`.
        """
        return self.eta * largest

    def revealed_sigma(self, largest, may_go, remembered):
        """The probability to mask a revealed position; broadcasts against the state.

        Args:
            largest: float32 tensor `[B, 1, ...]`, `sigma_max`.
            may_go: bool tensor `[B, *data_shape]`, what is revealed and was not given.
            remembered: float32 tensor `[B, *data_shape]`, the probability that the model itself
                gave each token when it was revealed.
        """
        return self.masked_sigma(largest)


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class Cap(Rescale):
    """`sigma = min(eta, sigma_max)`.

    Example:

    >>> float(md4keras.samplers.Cap(0.25).masked_sigma(0.4))
    0.25
    """

    def masked_sigma(self, largest):
        return ops.minimum(self.eta, largest)


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class ByConfidence(Rescale):
    """`sigma_max` times the softmax, over a row's revealed positions, of minus what is remembered.

    Masked positions have `sigma = 0`, and `eta` is not used.

    Example:

    >>> rule, surely = md4keras.samplers.ByConfidence(), np.array([[True, True]])
    >>> remembered = np.array([[0.9, 0.1]], "float32")  # the less likely token goes more easily
    >>> print(np.asarray(rule.revealed_sigma(np.float32(0.5), surely, remembered)).round(2))
    [[0.16 0.34]]
    """

    def masked_sigma(self, largest):
        return 0.0

    def revealed_sigma(self, largest, may_go, remembered):
        weight = ops.exp(-remembered) * ops.cast(may_go, "float32")
        total = ops.sum(weight, axis=tuple(range(1, len(weight.shape))), keepdims=True)
        return largest * weight / ops.maximum(total, 1e-30)


RULES = {"rescaled": Rescale, "capped": Cap, "confidence": ByConfidence}


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class Remasking(PosteriorMixture):
    """ReMDM: a revealed token is masked again with probability `sigma`.

    A masked position becomes `v` with probability `(alpha_s - (1 - sigma) alpha_t)/(1 - alpha_t)
    mu_v`, so that the masked fraction still follows the schedule (not under the rule of
    confidence). The rules bound `sigma` by `sigma_max = min(1, (1 - alpha_s)/alpha_t)`. Tokens
    that were given to `infill` stay.

    Reference: Wang et al. 2025, *Remasking Discrete Diffusion Models with Inference-Time Scaling*
    (arXiv 2503.00307), Eq. 6 and Section 4.1.

    Args:
        filters: see `Sampler`.
        rule: `"rescaled"` (`Rescale`), `"capped"` (`Cap`) or `"confidence"` (`ByConfidence`);
            or a hashable object with their methods.
        eta: float in `[0, 1]`, of a rule given by its name; 0 is ancestral sampling.

    Example:

    >>> sampler, schedule = md4keras.samplers.Remasking(eta=0.1), md4keras.schedules.Linear()
    >>> logits, zt = np.log([[[0.6, 0.4]]]), np.array([[0]])  # a token that was revealed
    >>> print(np.asarray(sampler.step_probabilities(logits, zt, 0.25, 0.5, schedule)).round(2))
    [[[0.9 0.  0.1]]]
    """

    rule: object = "capped"
    eta: float = 0.02

    def __post_init__(self):
        super().__post_init__()
        if isinstance(self.rule, str):
            check_name("rule", self.rule, RULES)
        else:
            members = ("masked_sigma", "revealed_sigma")
            check_has("a remasking rule", self.rule, members, f"Or name one of {tuple(RULES)}.")
            hash(self.rule)  # what is compiled is found by it
        check_number("eta", self.eta, Interval(0, 1))

    def sigmas(self, alpha_s, alpha_t, may_go, remembered):
        rule = RULES[self.rule](self.eta) if isinstance(self.rule, str) else self.rule
        largest = largest_sigma(alpha_s, alpha_t)
        return rule.masked_sigma(largest), rule.revealed_sigma(largest, may_go, remembered)
