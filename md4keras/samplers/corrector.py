"""Predictor and corrector: after each step some of the revealed tokens are drawn anew.

Reference: Zhao et al. 2024, *Informed Correctors for Discrete Diffusion Models* (arXiv 2407.21243).
"""

import dataclasses

import keras
from keras import ops

from md4keras.checks import check_whole
from md4keras.forward_process import expand_like, positions
from md4keras.samplers.ancestral import Ancestral
from md4keras.samplers.confidence import with_chance
from md4keras.samplers.ordered import lowest
from md4keras.samplers.sampler import check_scalar_schedule


@keras.saving.register_keras_serializable(package="md4keras")
@dataclasses.dataclass(frozen=True)
class Corrector(Ancestral):
    """Ancestral sampling; after each step, one more network call draws some tokens anew.

    A correction masks `num_candidates` of the revealed tokens, which chance chooses (at most half
    of a row's, rounded up, and none that was given), and asks the network for them. The
    `num_corrected` whose token is the least likely beside the best other one, `log mu(x_i) - max_v
    log mu(v)`, are drawn anew from `mu`; the others stay. That takes one call a step:
    `2 num_steps + 1` at most, less one for each step after which no row has a token to correct.

    With one candidate, the default, a correction is a Gibbs step: which position is drawn anew does
    not depend on any token, so with the exact denoiser it changes no distribution. With more it is
    the informed corrector, and approximate: the choice looks at the tokens that it replaces, so
    samples become likelier and less varied than the model's distribution; and what the call masks
    is not used to predict the rest. (A network that predicts every token from all others, the
    published "hollow" one, would need no masks.)

    `step_probabilities` are those of the step before the correction.

    Args:
        filters: see `Sampler`. Tokens are chosen by the model's own distribution, before them.
        last: as in `Ancestral`.
        num_corrected: int, tokens that a correction draws anew in each row.
        num_candidates: int, tokens among which they are chosen; at least `num_corrected`.

    Example:

    >>> corrector = md4keras.samplers.Corrector(num_candidates=4)
    >>> *_, last = model.sample_steps(2, sampler=corrector, num_steps=4)
    >>> last.most_calls
    9
    """

    remembers = True  # what was given
    calls_a_step = 2

    num_corrected: int = 1
    num_candidates: int = 1

    def __post_init__(self):
        super().__post_init__()
        check_whole("num_corrected", self.num_corrected, mend="1 draws one token anew.")
        mend = "The tokens that are drawn anew are chosen among these."
        check_whole("num_candidates", self.num_candidates, self.num_corrected, mend=mend)

    def check_schedule(self, schedule) -> None:
        check_scalar_schedule(self, schedule)

    def after_step(self, process, run, state, t, s):
        mask_token = process.model.mask_token
        noise = process.noise(run, state.z, -state.step)  # 1, 2, ...: not a step's
        found = self.candidates(state.z, mask_token, run.given, noise.when)
        found = found & expand_like(t > 0.0, found)  # the last call has filled all

        def corrected():
            z = ops.where(found, mask_token, state.z)
            logits = process.denoise(run, z, process.time_of_masks(run, z, s))
            return state.calls + 1, self.correct(logits, state.z, found, noise)

        calls, z = ops.cond(ops.any(found), corrected, lambda: (state.calls, state.z))
        return state._replace(calls=calls, z=z)

    def candidates(self, z, mask_token: int, given, uniforms):
        """The tokens that a correction asks for, bool like `z`; the same whatever they are.

        Args:
            z: int tensor `[B, *data_shape]`.
            mask_token: int.
            given: bool tensor like `z`, what was not masked at the start.
            uniforms: float32 tensor like `z`.
        """
        fixed = given | ops.equal(z, mask_token)
        revealed = positions(z, fixed)  # [B]
        count = ops.minimum(float(self.num_candidates), ops.ceil(revealed / 2.0))
        return lowest(uniforms, fixed, count)

    def correct(self, logits, z, candidates, noise):
        """The state after a correction.

        Args:
            logits: float tensor `[B, *data_shape, V]`, the network's where candidates are masked.
            z: int tensor `[B, *data_shape]`, the state before.
            candidates: bool tensor like `z`.
            noise: as in `step`.
        """
        log_mu = ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
        values = logits.shape[-1]
        token = ops.one_hot(ops.minimum(z, values - 1), values, dtype="bool")
        own, other = (
            ops.max(ops.where(these, ops.maximum(log_mu, -1e30), -2e30), axis=-1)
            for these in (token, ~token)
        )
        score = with_chance(own - other, noise[0])
        count = ops.full((ops.shape(z)[0],), float(self.num_corrected))
        chosen = candidates & lowest(score, ~candidates, count)
        return ops.where(chosen, self.draw(logits, noise), z)
