"""Samplers that mend: Psi, path planning and the corrector, one step at a time."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from md4keras import MD4, samplers, schedules
from md4keras.evaluation.sources import Enumerable
from md4keras.samplers.drawing import Noise
from tests.models.tabular import chi_square
from tests.reference import array

V = 4
SCHEDULE = schedules.Linear(eps=1e-4)


def tensors(*arrays):
    return [ops.convert_to_tensor(each) for each in arrays]


def take_step(sampler, logits, zt, s, t, given=None, seed=0):
    """One step from rows `[B, N]`, as an array."""
    rng = np.random.default_rng(seed)
    noise = Noise(*tensors(*(rng.random(zt.shape, "float32") for _ in range(2))))
    given = np.zeros(zt.shape, bool) if given is None else given
    memory = samplers.Memory(*tensors(given, np.zeros(zt.shape, "float32")))
    logits, zt, s, t = tensors(logits, zt, np.float32(s), np.float32(t))
    return array(sampler.step(logits, zt, s, t, SCHEDULE, noise, memory)[0])


def a_state(rows=1, count=6, seed=4):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, count, V)).astype("float32")
    return logits, rng.integers(0, V + 1, (rows, count)).astype("int32")


KAPPAS = (0.0, 0.3, 1.0, "forward_backward")


@pytest.mark.parametrize("kappa", KAPPAS)
def test_psi_draws_from_the_mixture(kappa):
    """Frequencies against stated probabilities; 6 positions at 1e-4: 1 false alarm in 1000 seeds.

    And for a number against the definition: `kappa q(zs | zt, x) + (1 - kappa) q(zs | x)`.
    """
    logits, zt = a_state()
    zt[0, :2] = V, 1  # both kinds
    sampler, s, t, rows = samplers.Psi(kappa=kappa), 0.45, 0.7, 20_000
    stated = array(sampler.step_probabilities(logits, zt, s, t, SCHEDULE))[0].astype("float64")
    np.testing.assert_allclose(stated.sum(axis=-1), 1.0, rtol=1e-5)
    zs = take_step(sampler, np.repeat(logits, rows, 0), np.repeat(zt, rows, 0), s, t)
    for position, tokens in enumerate(zs.T):
        counts = np.bincount(tokens, minlength=V + 1)
        possible = stated[position] > 0
        assert not counts[~possible].any()
        if possible.sum() > 1:
            assert chi_square(counts[possible], stated[position][possible]) > 1e-4
    if isinstance(kappa, float):
        mask, mu = np.eye(V + 1)[V], np.exp(logits[0]) / np.exp(logits[0]).sum(-1, keepdims=True)
        alpha_s, alpha_t = (float(array(SCHEDULE.alpha(time))) for time in (s, t))
        for position, token in enumerate(zt[0]):
            x = np.append(mu[position], 0.0) if token == V else np.eye(V + 1)[token]
            reveal = (alpha_s - alpha_t) / (1 - alpha_t) if token == V else 1.0
            posterior = reveal * x + (1 - reveal) * mask
            fresh = alpha_s * x + (1 - alpha_s) * mask
            wanted = kappa * posterior + (1 - kappa) * fresh
            np.testing.assert_allclose(stated[position], wanted, atol=1e-6)


def test_psi_at_one_is_ancestral_and_remasking_is_of_the_family():
    logits, zt = a_state(3)
    psi, plain = (
        array(each.step_probabilities(logits, zt, 0.3, 0.5, SCHEDULE))
        for each in (samplers.Psi(kappa=1.0), samplers.Ancestral())
    )
    np.testing.assert_allclose(psi, plain, atol=1e-6)
    # `kappa` of "rescaled": 1 - eta / alpha_t while sigma_max is below 1.
    alpha_t = float(array(SCHEDULE.alpha(0.3)))
    pair = samplers.Psi(kappa=1.0 - 0.2 / alpha_t), samplers.Remasking(rule="rescaled", eta=0.2)
    assert isinstance(pair[1], samplers.PosteriorMixture)
    psi, rule = (array(s.step_probabilities(logits, zt, 0.2, 0.3, SCHEDULE)) for s in pair)
    np.testing.assert_allclose(psi, rule, atol=1e-6)


@pytest.mark.parametrize("kappa", KAPPAS)
def test_any_kappa_keeps_the_masked_fraction_on_schedule(kappa):
    """Of 20,000 positions; 4 standard errors: 1 false alarm in 16,000 seeds each."""
    rng = np.random.default_rng(1)
    zt = np.where(rng.random((400, 50)) < 0.6, 3, 0).astype("int32")
    given = np.zeros(zt.shape, bool)
    zs = take_step(
        samplers.Psi(kappa=kappa), np.zeros((*zt.shape, 3), "float32"), zt, 0.5, 0.6, given
    )
    assert abs((zs == 3).mean() - 0.5) < 4 * 0.5 / np.sqrt(zs.size)
    assert ((zt != 3) & (zs == 3)).any() == (kappa != 1.0)


def test_path_planning_masks_the_planned_number_of_the_lowest_scores():
    logits, zt = a_state(200, 10)
    given = np.arange(10) < 2
    zt[:, given] = 1
    given = np.broadcast_to(given, zt.shape)
    log_mu = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    for eta in (0.0, 1.0, 3.0):
        sampler = samplers.PathPlanning(eta=eta)
        zs = take_step(sampler, logits, zt, 0.5, 0.9, given)
        np.testing.assert_array_equal(zs[given], zt[given])
        masked, revealed = zs == V, (zt != V) & ~given
        assert (masked.sum(axis=1) == 4).all()  # half of 8
        # A revealed token stays what it is, or is masked.
        assert ((zs == zt) | masked)[revealed].all()
        for row in range(len(zs)):
            kept, gone = revealed[row] & ~masked[row], revealed[row] & masked[row]
            score = np.take_along_axis(log_mu[row], np.minimum(zt[row], 3)[:, None], -1)[:, 0]
            if kept.any() and gone.any():
                assert score[gone].max() < score[kept].min() + 1e-3 or not eta
        if eta == 0.0:  # a revealed token is sure: masked again only where all are too few
            enough = (zt == V).sum(axis=1) >= 4
            assert not (masked & revealed)[enough].any()
        else:
            assert (masked & revealed).any()
    with pytest.raises(ValueError, match="depend on each other"):
        sampler.step_probabilities(logits, zt, 0.5, 0.9, SCHEDULE)


def corrected(sampler, source, z, seed=0):
    """A correction of states `[B, N]` by the process itself, at times that follow from them."""
    process = sampler.make_process(MD4(source.denoiser(), schedule=SCHEDULE))
    start = samplers.states.Start(np.full_like(z, source.vocabulary_size), None, np.ones(len(z)))
    settings = type("Settings", (), {})()
    for name, value in {
        "num_steps": 4,
        "grid": samplers.make_time_grid(4),
        "temperature": 1.0,
        "seed": seed,
        "guidance_scale": 1.0,
    }.items():
        setattr(settings, name, value)
    run = process.prepare(start, settings)
    state = process.first_state(z)._replace(step=ops.convert_to_tensor(np.int32(1)))
    t, s = tensors(np.full(len(z), 0.6, "float32"), np.full(len(z), 0.5, "float32"))
    after = sampler.after_step(process, run, state, t, s)
    return array(after.z), int(array(after.calls))


def noised(source, rows, seed):
    """States at a masked fraction of one half, as ancestral sampling has them."""
    rng = np.random.default_rng(seed)
    x = source.draw(rows, seed)
    return np.where(rng.random(x.shape) < 0.5, source.vocabulary_size, x).astype("int32")


def state_law(source):
    """The probability of each of the `(V + 1)^N` states of `noised`."""
    values, count = source.vocabulary_size, source.data_shape[0]
    law = np.zeros((values + 1,) * count)
    for x in np.ndindex(*source.joint.shape):
        for pattern in np.ndindex(*(2,) * count):
            z = tuple(values if hidden else token for token, hidden in zip(x, pattern, strict=True))
            law[z] += source.joint[x] * 0.5**count
    return law


def p_value(z, law):
    codes = np.ravel_multi_index(z.T, law.shape)
    return chi_square(np.bincount(codes, minlength=law.size), law.ravel())


def test_a_correction_of_one_candidate_leaves_the_oracles_law_unchanged():
    """Chi-square over the 27 states of three bits, 40,000 rows; 1 false alarm in 1000 seeds.

    The test of the test: choosing by the tokens' own values does change it.
    """
    source, rows = Enumerable.random(2, 3, seed=2), 40_000
    law, z = state_law(source), noised(source, 40_000, 3)
    assert p_value(z, law) > 1e-3
    exact, calls = corrected(samplers.Corrector(num_candidates=1), source, z)
    assert calls == 1
    changed = (exact != z).sum(axis=1)
    assert changed.max() == 1 and 0.05 < changed.mean() < 0.9 and len(exact) == rows
    np.testing.assert_array_equal(exact == 2, z == 2)
    assert p_value(exact, law) > 1e-3
    informed, _ = corrected(samplers.Corrector(num_candidates=2), source, z)
    assert p_value(informed, law) < 1e-6


def test_a_correction_redraws_the_least_sure_candidates():
    sampler = samplers.Corrector(num_corrected=2, num_candidates=3)
    logits, z = a_state(300, 12)
    given = np.broadcast_to(np.arange(12) < 3, z.shape)
    z[given] = 0
    rng = np.random.default_rng(0)
    uniforms = rng.random(z.shape, "float32")
    found = array(sampler.candidates(*tensors(z), V, *tensors(given, uniforms)))
    revealed = (z != V) & ~given
    assert not (found & ~revealed).any()
    wanted = np.minimum(3, np.ceil(revealed.sum(axis=1) / 2))
    np.testing.assert_array_equal(found.sum(axis=1), wanted)
    others = (z + 1) % V  # candidates do not depend on the tokens
    others = np.where(z == V, V, others).astype("int32")
    again = array(sampler.candidates(*tensors(others), V, *tensors(given, uniforms)))
    np.testing.assert_array_equal(found, again)
    noise = Noise(*tensors(uniforms, rng.random(z.shape, "float32")))
    after = array(sampler.correct(*tensors(logits, z, found), noise))
    assert ((after != z) <= found).all() and ((after != z).sum(axis=1) <= 2).all()
    log_mu = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    own = np.take_along_axis(log_mu, np.minimum(z, V - 1)[..., None], -1)[..., 0]
    hit = np.eye(V, dtype=bool)[np.minimum(z, V - 1)]
    margin = own - np.where(hit, -np.inf, log_mu).max(-1)
    for row in np.flatnonzero(found.sum(axis=1) == 3):
        surest = np.flatnonzero(found[row])[np.argmax(margin[row][found[row]])]
        close = np.sort(margin[row][found[row]])[1:]
        assert after[row, surest] == z[row, surest] or np.diff(close)[0] < 1e-3


@pytest.mark.parametrize(
    "sampler",
    [
        samplers.Psi(kappa=0.5, filters=samplers.TopK(2)),
        samplers.Psi(kappa="forward_backward"),
        samplers.PathPlanning(eta=0.5, filters=samplers.TopP(0.9)),
        samplers.Corrector(num_corrected=2, num_candidates=5, last="argmax"),
    ],
    ids=repr,
)
def test_a_sampler_comes_back_from_its_configuration(sampler):
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(sampler)))
    assert keras.saving.deserialize_keras_object(config) == sampler


def test_names_and_mistakes():
    assert samplers.get("forward_backward") == samplers.Psi(kappa="forward_backward")
    kinds = {"psi": samplers.Psi, "path_planning": samplers.PathPlanning}
    kinds["corrector"] = samplers.Corrector
    for name, kind in kinds.items():
        assert samplers.get(name) == kind()
    mistakes = {
        "kappa=1.5": lambda: samplers.Psi(kappa=1.5),
        "'forward_backward'": lambda: samplers.Psi(kappa="often"),
        "eta=-1": lambda: samplers.PathPlanning(eta=-1),
        "num_corrected=0": lambda: samplers.Corrector(num_corrected=0),
        "num_candidates=1": lambda: samplers.Corrector(num_corrected=2, num_candidates=1),
    }
    for message, call in mistakes.items():
        with pytest.raises(ValueError, match=message):
            call()
    schedule = schedules.LearnablePolynomial(4)
    for sampler in (samplers.Psi(), samplers.Corrector()):
        with pytest.raises(ValueError, match="one schedule for all tokens"):
            sampler.check_schedule(schedule)
