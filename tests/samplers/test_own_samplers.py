"""Samplers of one's own: what they need, and that they draw at the temperature of the run."""

import dataclasses

import numpy as np
import pytest
from keras import ops

from md4keras import MD4, samplers, schedules
from md4keras.samplers.categorical import sample_categorical
from md4keras.samplers.temperature import at_temperature
from tests.models.tabular import FixedLogits, chi_square

LOGITS = np.array([0.0, 1.0, 0.5, -1.0], "float32")
COUNT = 2000


@dataclasses.dataclass(frozen=True)
class ByFilter(samplers.Sampler):
    """Half of the masks a step; draws, as the library once did, from the filtered logits."""

    def step(self, logits, zt, s, t, schedule, noise, memory):
        when, what = noise
        tokens = sample_categorical(self.filter(logits), what)
        revealed = ops.equal(zt, logits.shape[-1]) & (when < 0.5)
        return ops.where(revealed, tokens, zt), memory.remembered


class Plain:
    """No `Sampler`; draws from the logits that it gets. With what such an object once needed."""

    filters, remembers, plans_on_host = (), False, False

    def check_schedule(self, schedule):
        pass

    def make_process(self, model):
        return samplers.SteppedProcess(model, self)

    def step_probabilities(self, logits, zt, s, t, schedule):
        raise NotImplementedError

    def step(self, logits, zt, s, t, schedule, noise, memory):
        revealed = ops.equal(zt, logits.shape[-1]) & (noise[0] < 0.5)
        tokens = sample_categorical(logits, noise[1])
        return ops.where(revealed, tokens, zt), memory.remembered

    def finish(self, logits, zt, noise):
        return ops.where(ops.equal(zt, logits.shape[-1]), sample_categorical(logits, noise[1]), zt)


class Least:
    """With nothing but what has no default."""

    make_process, step, finish = Plain.make_process, Plain.step, Plain.finish


@pytest.mark.parametrize("sampler", [ByFilter(), Plain(), Least()], ids=["by filter", "", "least"])
def test_they_draw_at_the_temperature(sampler):
    """By their steps, and where they fill what is left; each errs once in 1,000 seeds."""
    model = MD4(FixedLogits(LOGITS, COUNT))
    for temperature in (1.0, 2.0, 0.5):
        (drawn,) = model.generate(1, sampler=sampler, num_steps=1, temperature=temperature)
        wanted = np.exp(LOGITS / temperature)
        assert chi_square(np.bincount(drawn, minlength=4), wanted / wanted.sum()) > 1e-3
    for temperature in (0, 1e-4):
        assert (model.generate(1, sampler=sampler, num_steps=1, temperature=temperature) == 1).all()


@pytest.mark.one_backend
def test_their_filters_still_act():
    model = MD4(FixedLogits(LOGITS, COUNT))
    sampler = ByFilter(filters=samplers.TopK(2))
    for temperature, kept in ((3.0, {1, 2}), (0, {1})):
        how = {"sampler": sampler, "num_steps": 2, "temperature": temperature}
        assert set(model.generate(1, **how).ravel()) == kept


@pytest.mark.one_backend
def test_one_is_compiled_once_and_known_by_what_it_is():
    plain = Plain()
    assert samplers.get(plain) == samplers.get(plain) != samplers.get(Plain())
    assert hash(samplers.get(plain)) == hash(plain) and repr(samplers.get(plain)) == repr(plain)
    states = list(MD4(FixedLogits(LOGITS, 8)).sample_steps(2, sampler=plain, num_steps=3))
    assert states[-1].calls <= states[0].most_calls == 4


STEPPED = [
    samplers.Ancestral(),
    samplers.Confidence(),
    samplers.LeftToRight(),
    samplers.Threshold(),
    samplers.EntropyBound(),
    samplers.Klass(),
    samplers.Psi(),
    samplers.Remasking(),
    samplers.Remasking(rule="confidence"),
    samplers.PathPlanning(),
    samplers.Corrector(num_candidates=1),
]


@pytest.mark.parametrize("sampler", STEPPED, ids=repr)
def test_the_librarys_own_take_the_likeliest_at_zero(sampler):
    """Whatever a step reveals; of a run: tests/samplers/test_threshold.py."""
    rng = np.random.default_rng(0)
    logits = ops.convert_to_tensor(rng.normal(size=(4, 9, 5)).astype("float32"))
    zt = np.where(rng.random((4, 9)) < 0.7, 5, 0).astype("int32")
    remembered = sampler.first_memory(ops.convert_to_tensor(zt), 5)
    memory = samplers.Memory(ops.zeros(zt.shape, "bool"), remembered)
    noise = samplers.Noise(*(ops.convert_to_tensor(rng.random((4, 9), "float32")) for _ in "12"))
    times = (ops.convert_to_tensor(np.full(4, t, "float32")) for t in (0.3, 0.7))
    arguments = (ops.convert_to_tensor(zt), *times, schedules.Linear(), noise, memory)
    zs, _ = at_temperature(0.0, sampler, lambda own, z: own.step(z, *arguments), logits)
    zs, best = ops.convert_to_numpy(zs), ops.convert_to_numpy(logits).argmax(axis=-1)
    revealed = (zt == 5) & (zs != 5)
    assert revealed.any() and (zs == best)[revealed].all()
