"""The lean training step is the plain one: the same loss, gradients and dropout."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

import md4keras
from md4keras.models.batches import Batch
from tests.gradients import gradients_of
from tests.reference import array

NETWORKS = {
    "adaln": lambda remat: md4keras.networks.Transformer(
        23, 12, 2, 2, 8, num_classes=3, dropout=0.3, remat=remat
    ),
    "adaln_zero, no attention dropout": lambda remat: md4keras.networks.Transformer(
        23,
        12,
        2,
        2,
        8,
        mlp_type="glu",
        conditioning_type="adaln_zero",
        attention_dropout=False,
        dropout=0.3,
        remat=remat,
    ),
    "no conditioning": lambda remat: md4keras.networks.Transformer(
        23, 12, 2, 2, 8, time_features="none", embedding="outside", dropout=0.3, remat=remat
    ),
    "unet": lambda remat: md4keras.networks.UNet(
        5, (4, 4, 2), num_layers=1, feature_dim=64, num_classes=3, dropout=0.3, remat=remat
    ),
    "uvit": lambda remat: md4keras.networks.UViT(
        5, (4, 4, 2), 1, 64, 1, 2, 16, dropout=0.3, remat=remat
    ),
}


def build(kind, network, remat, like=None):
    """A model whose weights are random, the heads' and gates' too; or those of another model."""
    keras.utils.set_random_seed(0)
    model = kind(NETWORKS[network](remat), seed=0)
    rng = np.random.default_rng(1)
    values = (
        [rng.normal(size=v.shape) * 0.2 for v in model.trainable_variables]
        if like is None
        else [array(v) for v in like.trainable_variables]
    )
    for variable, value in zip(model.trainable_variables, values, strict=True):
        variable.assign(value)
    for number, variable in enumerate(random_states(model)):
        variable.assign(np.array([7 + number, 0]))
    return model


def random_states(model):
    return [v for v in model.non_trainable_variables if "seed_generator_state" in v.path]


def batch_of(model):
    rng = np.random.default_rng(2)
    network = model.network
    x = rng.integers(0, network.vocabulary_size, (6, *network.data_shape)).astype("int32")
    return x, rng.integers(0, 3, 6) if network.num_classes else None


def loss_and_gradients(model, weighted=True):
    """Of one training step, drawn from the same random states each time."""
    x, labels = batch_of(model)
    weight = np.linspace(0.0, 2.0, len(x)).astype("float32") if weighted else None
    states = [array(v).copy() for v in model.non_trainable_variables]

    def loss():
        return model.compute_loss(x, labels, sample_weight=weight)

    def restore():
        for variable, state in zip(model.non_trainable_variables, states, strict=True):
            variable.assign(state)

    gradients = gradients_of(model, loss)
    restore()
    value = float(array(loss()))
    restore()
    return value, gradients


@functools.cache
def dense_step(kind, network):
    """The plain model, its loss and its gradients."""
    plain = build(kind, network, None)
    plain.dense_loss = True
    return plain, *loss_and_gradients(plain)


CASES = [(md4keras.MD4, network, "activations") for network in NETWORKS if network != "uvit"]
CASES += [(md4keras.MD4, network, "full") for network in NETWORKS if network.startswith("adaln")]
CASES += [(md4keras.GenMD4, "adaln", remat) for remat in ("activations", "full")]
SLOW = [(md4keras.MD4, n, "full") for n in NETWORKS if not n.startswith("adaln")]
SLOW += [(md4keras.MD4, "uvit", "activations")]


@pytest.mark.xdist_group("dense_step")
@pytest.mark.parametrize(
    "kind, network, remat",
    [*CASES, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)],
)
def test_lean_and_dense_steps_agree(kind, network, remat):
    plain, loss, gradients = dense_step(kind, network)
    lean_loss, lean_gradients = loss_and_gradients(build(kind, network, remat, like=plain))
    np.testing.assert_allclose(lean_loss, loss, rtol=1e-5)
    largest = max(np.abs(gradient).max() for gradient in gradients)
    for variable, a, b in zip(plain.trainable_variables, gradients, lean_gradients, strict=True):
        scale = max(np.abs(a).max(), 1e-2 * largest)
        np.testing.assert_allclose(b, a, rtol=0, atol=3e-5 * scale, err_msg=variable.path)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="other backends have one way")
@pytest.mark.parametrize("kind", [md4keras.MD4, md4keras.GenMD4])
def test_the_way_of_accelerators_agrees_too(kind, monkeypatch):
    """With JAX's own rematerialisation and barriers, which accelerators heed."""
    monkeypatch.setattr("md4keras.backend._jax._barriers_hold", lambda: True)
    test_lean_and_dense_steps_agree(kind, "adaln", "full")
    model = build(kind, "adaln", "activations")
    model.compile("sgd")
    logs = model.train_on_batch(*batch_of(model), return_dict=True)
    assert np.isfinite(logs["loss"]) and logs["grad_norm"] > 0


@pytest.mark.parametrize("remat", [None, "activations", "full"])
def test_recomputation_draws_nothing_of_its_own(remat):
    """After a step with its gradients, each dropout has drawn once."""
    model = build(md4keras.MD4, "adaln", remat)
    model.compile("sgd")
    model.train_on_batch(*batch_of(model))
    states = [int(array(v)[1]) for v in random_states(model) if "block_" in v.path]
    assert states == [1] * 6


def test_dropouts_of_one_step_are_different():
    """As layers have states of their own, none repeats what another dropped."""
    network = NETWORKS["adaln"](None)
    layers = [
        layer
        for block in network.backbone.layers
        if block.name.startswith("block_")
        for layer in (block.attention.dropout, block.mlp.dropout)
    ]
    kept = [array(layer(ops.ones((4, 1, 64)), training=True)) > 0 for layer in layers]
    kept.append(array(layers[0](ops.ones((4, 1, 64)), training=True)) > 0)  # its second draw
    for i, a in enumerate(kept):
        assert all((a != b).any() for b in kept[:i])


def test_mixed_precision_agrees_with_the_definition():
    """In bfloat16, to its resolution: the loss itself is formed in float32 either way."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        plain, lean = (build(md4keras.MD4, "adaln", remat) for remat in (None, "full"))
    finally:
        keras.config.set_dtype_policy("float32")
    plain.dense_loss = True
    (loss, gradients), (lean_loss, lean_gradients) = map(loss_and_gradients, (plain, lean))
    np.testing.assert_allclose(lean_loss, loss, rtol=1e-2)
    flat, lean_flat = (
        np.concatenate([g.ravel() for g in each]) for each in (gradients, lean_gradients)
    )
    assert np.linalg.norm(lean_flat - flat) < 0.03 * np.linalg.norm(flat)


def test_heads_that_are_no_matrix_take_the_definition():
    """A head of the user's own, with a bias, and one that is quantized."""

    def rows(model):
        x, labels = batch_of(model)
        x = ops.convert_to_tensor(x)
        labels = None if labels is None else ops.convert_to_tensor(labels)
        return model.masked_rows(Batch(x, labels), x, ops.ones(x.shape[0]), training=False)

    model = build(md4keras.MD4, "adaln", None)
    assert rows(model) is not None
    model.network.head.projection.quantize("int8")
    assert rows(model) is None
    assert rows(build(md4keras.MD4, "unet", None)) is None


def test_a_loss_of_a_subclass_is_not_passed_over_in_silence():
    class Other(md4keras.MD4):
        def compute_loss(self, *args, **kwargs):
            return 0.0

    with pytest.raises(ValueError, match="Override `masking_objective`"):
        Other(NETWORKS["adaln"](None)).compile("sgd")


@pytest.mark.parametrize("kind", [md4keras.MD4, md4keras.GenMD4])
def test_the_step_of_fit_follows_the_gradient_of_compute_loss(kind):
    """Masking by masking, the step adds up to the gradient of the whole."""
    model = build(kind, "adaln", "activations")
    model.compile(keras.optimizers.SGD(1.0))
    x, labels = batch_of(model)
    before = [array(v).copy() for v in model.trainable_variables]
    loss, gradients = loss_and_gradients(model, weighted=False)
    logs = model.train_on_batch(x, labels, return_dict=True)
    np.testing.assert_allclose(logs["loss"], loss, rtol=1e-5)
    largest = max(np.abs(gradient).max() for gradient in gradients)
    for variable, old, gradient in zip(model.trainable_variables, before, gradients, strict=True):
        np.testing.assert_allclose(
            old - array(variable), gradient, rtol=1e-4, atol=1e-4 * largest, err_msg=variable.path
        )
    norm = np.sqrt(sum((gradient.astype("float64") ** 2).sum() for gradient in gradients))
    np.testing.assert_allclose(logs["grad_norm"], norm, rtol=1e-4)


@pytest.mark.parametrize("kind", [md4keras.MD4, md4keras.GenMD4])
def test_evaluation_is_that_of_the_definition(kind):
    model = build(kind, "adaln", "activations")
    x, labels = batch_of(model)
    results = []
    for dense in (False, True):
        model.dense_loss = dense
        model.compile("sgd")  # forgets what it has compiled
        results.append(model.evaluate(x, labels, batch_size=3, num_passes=2, verbose=0))
    np.testing.assert_allclose(results[0], results[1], rtol=1e-5)


def test_a_batch_of_open_size_trains():
    """As TensorFlow traces it: 7 examples in batches of 4, the last one smaller."""
    model = build(md4keras.MD4, "adaln", "activations")
    model.compile("sgd")
    x, labels = batch_of(model)
    x, labels = np.concatenate([x, x[:1]]), np.append(labels, 0)
    history = model.fit(x, labels, batch_size=4, epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"]).all()


def test_unknown_remat_is_refused():
    with pytest.raises(ValueError, match="Expected one of None, 'activations', 'full'"):
        NETWORKS["adaln"]("some")
    with pytest.raises(ValueError, match="Expected one of None, 'activations', 'full'"):
        md4keras.layers.ResidualBlock(64, remat="blocks")


def test_nothing_masked_is_no_loss():
    """Where no position is masked the term is 0 and moves no weight."""
    model = build(md4keras.MD4, "adaln", "activations")
    x, labels = map(ops.convert_to_tensor, batch_of(model))
    step = model.draw_step(x, labels)
    objective, term = model.masking_objective(step, x)
    assert float(array(objective)) == 0.0 and not array(term).any()
    gradients = gradients_of(model, lambda: model.masking_objective(step, x)[0])
    assert not any(gradient.any() for gradient in gradients)
