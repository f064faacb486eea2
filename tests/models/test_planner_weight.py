"""Training weighted by the planner's own order (PAPL): what is minimised, what stays the bound."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

import md4keras
from md4keras import MD4
from md4keras.evaluation import check_bound, oracle
from md4keras.models.training_step import Step
from md4keras.networks import Transformer
from tests.gradients import gradients_of
from tests.models.weights import randomised
from tests.reference import array

V, N, B = 5, 8, 6
GIVEN = np.arange(N) < 2


def model_with(planner_weight, **kwargs):
    keras.utils.set_random_seed(0)
    network = Transformer(V, N, num_layers=1, num_heads=2, feature_dim=8)
    return randomised(MD4(network, planner_weight=planner_weight, seed=1, **kwargs))


def tokens(seed=0, rows=B):
    return np.random.default_rng(seed).integers(0, V, (rows, N), "int32")


def drawn_step(model, x):
    """A step whose masks are known: of row `i` the last `i` positions."""
    time = ops.convert_to_tensor(np.linspace(0.2, 0.9, B).astype("float32"))
    zt = np.where(np.arange(N) >= N - np.arange(B)[:, None], V, x)
    batch = model.draw_step({"tokens": x, "given": np.broadcast_to(GIVEN, x.shape)}).batch
    weight = ops.convert_to_tensor(np.full(B, 1.0 / B, "float32"))
    return Step(batch, weight, time, (ops.convert_to_tensor(zt.astype("int32")),)), zt


@pytest.mark.parametrize("dense", [False, True], ids=["lean", "dense"])
def test_the_weight_is_the_definition(dense):
    """Costs times `1 + a w` for the softmax over a row's masks of the true tokens' log mu."""
    model, x = model_with(1.5), tokens()
    model.dense_loss = dense
    step, zt = drawn_step(model, x)
    logits = array(model.predict_logits(zt, array(step.time))).astype("float64")
    log_mu = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    log_mu = np.take_along_axis(log_mu, x[..., None], axis=-1)[..., 0]
    mu = np.where(zt == V, np.exp(log_mu), 0.0)
    share = mu / np.maximum(mu.sum(axis=1, keepdims=True), 1e-30)
    np.testing.assert_allclose(share.sum(axis=1)[1:], 1.0)
    costs = np.where(zt == V, -log_mu, 0.0)
    factor = array(model.masking_weight(step.time))
    bound = factor * costs.sum(axis=1)
    minimised = factor * ((1.0 + 1.5 * share) * costs).sum(axis=1)
    objective, term = model.masking_objective(step, step.maskings[0])
    np.testing.assert_allclose(array(term), np.stack([bound, minimised], axis=-1), rtol=2e-5)
    np.testing.assert_allclose(array(objective), minimised.mean(), rtol=2e-5)


@pytest.mark.parametrize("dense", [False, True], ids=["lean", "dense"])
def test_a_position_that_counts_nothing_takes_no_share(dense):
    """The shares of the others add up to 1 without it."""
    model, x = model_with(1.5), tokens()
    model.dense_loss = dense
    step, _ = drawn_step(model, x)
    counts = np.ones((B, N), "float32")
    counts[:, -2:] = 0.0
    some = step._replace(batch=step.batch._replace(weight=ops.convert_to_tensor(counts)))
    objective, term = model.masking_objective(some, some.maskings[0])
    logits = model.masking_logits(step.batch, step.maskings[0], step.time)
    costs = array(model.masked_costs(logits, x, step.maskings[0])).reshape(B, N)
    masked = (array(step.maskings[0]) == V) & (counts > 0)
    mu = np.where(masked, np.exp(-costs), 0.0)
    share = mu / np.maximum(mu.sum(axis=1, keepdims=True), 1e-30)
    factor = array(model.masking_weight(step.time))
    minimised = factor * np.where(masked, (1.0 + 1.5 * share) * costs, 0.0).sum(axis=1)
    np.testing.assert_allclose(array(term)[:, 1], minimised, rtol=2e-5)
    np.testing.assert_allclose(array(objective), minimised.mean(), rtol=2e-5)


def test_lean_and_dense_have_the_same_gradient_and_none_goes_through_the_weights():
    model, x = model_with(1.5), tokens()
    step, zt = drawn_step(model, x)
    _, term = model.masking_objective(step, step.maskings[0])

    def fixed():
        """As the objective, with weights that are numbers."""
        logits = model.masking_logits(step.batch, step.maskings[0], step.time)
        costs = model.masked_costs(logits, step.batch.x, step.maskings[0])
        emphasis = ops.convert_to_tensor(weights)
        factor = step.weight * model.masking_weight(step.time)
        return ops.sum(factor * ops.sum(emphasis * costs, axis=1))

    logits = model.masking_logits(step.batch, step.maskings[0], step.time)
    costs = model.masked_costs(logits, step.batch.x, step.maskings[0])
    weights = array(model.emphasis(lambda: costs, step.maskings[0]))
    wanted = gradients_of(model, fixed)
    for model.dense_loss in (False, True):
        found = gradients_of(model, lambda: model.masking_objective(step, step.maskings[0])[0])
        for a, b in zip(found, wanted, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5 * np.abs(b).max() + 1e-8)
    plain = model_with(0.0)
    others = gradients_of(plain, lambda: plain.masking_objective(step, step.maskings[0])[0])
    assert max(np.abs(a - b).max() for a, b in zip(others, wanted, strict=True)) > 1e-3


def fitted(**kwargs):
    keras.utils.set_random_seed(0)
    model = randomised(MD4(Transformer(V, N, 1, 2, 8), seed=1, **kwargs))
    model.compile(keras.optimizers.SGD(0.1), micro_batches=2)
    history = model.fit(tokens(rows=16), epochs=2, batch_size=8, shuffle=False, verbose=0).history
    return model, history


def test_without_weight_training_is_that_of_md4_to_the_bit():
    (plain, logs), (zero, same), (planned, other) = (
        fitted(),
        fitted(planner_weight=0),
        fitted(planner_weight=2.0),
    )
    assert logs == same
    for a, b in zip(plain.get_weights(), zero.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    # What is minimised is the `loss`; the other figures are the bound.
    first = {name: values[0] for name, values in other.items()}
    nelbo = first["diffusion_loss"] + first["reconstruction_loss"]
    assert first["loss"] > 1.05 * nelbo
    assert first["bits_per_dim"] == pytest.approx(nelbo / np.log(2), rel=1e-5)
    assert any(
        (a != b).any() for a, b in zip(plain.get_weights(), planned.get_weights(), strict=True)
    )


def test_the_logged_loss_is_what_compute_loss_gives_in_parts_too():
    logs = []
    for micro_batches in (1, 3):
        model = model_with(2.0)
        model.compile(keras.optimizers.SGD(0.1), micro_batches=micro_batches)
        logs.append(model.train_on_batch(tokens(), return_dict=True))
    model = model_with(2.0)
    loss = float(array(model.compute_loss(tokens())))
    for each in logs:
        assert float(each["loss"]) == pytest.approx(loss, rel=1e-5)
    assert float(logs[0]["grad_norm"]) == pytest.approx(float(logs[1]["grad_norm"]), rel=1e-5)


def test_evaluation_and_scores_stay_the_bound():
    figures = []
    for weight in (0.0, 3.0):
        model = model_with(weight)
        found = model.evaluate(tokens(), verbose=0, num_passes=2)
        figures.append((found, array(model.score(tokens(), num_samples=4)[0]).tolist()))
    assert figures[0] == figures[1]


def test_check_bound_says_that_it_is_not_the_bound():
    source = {"random": oracle.Enumerable.random(3, 4)}
    planned = functools.partial(MD4, planner_weight=1.0)
    report = check_bound(planned, source)
    of_fit, of_evaluate = report.findings
    assert not report.holds and not of_fit.holds and of_evaluate.holds
    assert 0.05 < of_fit.excess < of_fit.loss and "not the bound" in str(report)
    with pytest.raises(ValueError, match="The loss of fit is not the bound"):
        report.raise_if_not()


def test_configuration_saved_models_and_mistakes(tmp_path):
    model = model_with(0.5)
    assert MD4.from_config(model.get_config()).planner_weight == 0.5
    md4keras.save_model(model, tmp_path / "model")
    assert md4keras.load_model(tmp_path / "model").planner_weight == 0.5
    for wrong in (-1.0, float("nan"), "much", None):
        with pytest.raises(ValueError, match="planner_weight"):
            model_with(wrong)
