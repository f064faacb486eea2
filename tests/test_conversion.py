import numpy as np
import pytest

from md4keras import GenMD4
from md4keras.conversion import from_md4
from tests.reference import array, load_reference, reference_constructor, reference_params

FILES = ["md4_loss_text", "md4_loss_text_none", "md4_loss_image", "md4_loss_image_class"]


@pytest.mark.parametrize("name", FILES)
def test_losses_are_the_published_ones(name):
    reference = load_reference(name)
    model = from_md4(
        {**reference_constructor(reference), "cont_time": True}, reference_params(reference)
    )
    assert model.timesteps is None
    labels = reference["labels"] if "labels" in reference else None
    x, zt, time = reference["x"], reference["zt"], reference["linear_cont/t_used"]
    logits = array(model.predict_logits(zt, time, labels))
    np.testing.assert_allclose(logits, reference["linear_cont/logits"], atol=1e-4, rtol=1e-4)
    loss = array(model.diffusion_loss(x, zt, time, labels))
    np.testing.assert_allclose(loss, reference["linear_cont/loss_diff"], rtol=1e-3)
    reconstruction = array(model.reconstruction_loss(x))
    np.testing.assert_allclose(reconstruction, reference["linear_cont/recon_loss"], rtol=1e-3)


@pytest.fixture
def published():
    reference = load_reference("md4_loss_text")
    return reference_constructor(reference), reference_params(reference)


def test_the_objective_follows_the_constructor(published):
    constructor, params = published
    constructor["cont_time"] = False
    model = from_md4(constructor, params)
    assert (model.timesteps, model.time_sampling) == (1000, "antithetic")
    changed = {
        "timesteps": 50,
        "noise_schedule_type": "cosine",
        "antithetic_time_sampling": False,
        "sampler": "topp",
        "topp": 0.9,
    }
    model = from_md4({**constructor, **changed}, params)
    assert (model.timesteps, model.time_sampling) == (50, "independent")
    np.testing.assert_allclose(array(model.schedule.alpha(np.array([0.5]))), 0.29293, atol=1e-3)


def test_left_out_arguments_take_the_published_defaults(published):
    constructor, params = published
    del constructor["classes"]  # 11 classes by default
    table = np.ones((11, 8), "float32")
    kernel = np.zeros((16, 32), "float32")  # the label's embedding is joined to the time's
    params = {
        **params,
        "params/cond_embeddings/embedding": table,
        "params/classifier/CondEmbedding_0/dense0/kernel": kernel,
    }
    model = from_md4(constructor, params)
    assert model.network.num_classes == 11
    assert model.network.label_dropout == 0.0


@pytest.mark.parametrize(
    "change,message",
    [
        ({"n_layer": 2}, "Unknown constructor arguments.*n_layer"),
        ({"data_shape": None}, "data_shape"),
        ({"sampler": "best"}, "Unknown `sampler`.*best"),
        ({"sampling_grid": "log"}, "Unknown `sampling_grid`.*log"),
        ({"noise_schedule_type": "sigmoid"}, "sigmoid"),
        ({"mlp_type": "relu"}, "relu"),
        ({"n_layers": 3}, "missing=.*TransformerBlock_2"),
        ({"n_layers": 1}, "unknown=.*TransformerBlock_1"),
        ({"feature_dim": 16, "num_heads": 2}, r"Expected shape .* Received: shape="),
    ],
    ids=str,
)
def test_wrong_arguments_are_named(published, change, message):
    constructor, params = published
    with pytest.raises(ValueError, match=message):
        from_md4({**constructor, **change}, params)


@pytest.fixture
def published_genmd4():
    reference = load_reference("genmd4_loss_text")
    return reference_constructor(reference), reference_params(reference)


def test_genmd4_is_told_by_its_parameters_or_its_arguments(published_genmd4):
    constructor, params = published_genmd4
    alone = ("noise_schedule_type", "power_init", "t1")
    model = from_md4({k: v for k, v in constructor.items() if k not in alone}, params)
    assert type(model) is GenMD4
    assert (model.t1, model.schedule.power_init, model.time_sampling) == (1e-3, 1.0, "antithetic")
    np.testing.assert_array_equal(array(model.schedule.theta), params["params/noise_schedule/w"])
    changed = {"t1": 0.01, "power_init": 2.0, "antithetic_time_sampling": False}
    model = from_md4({**constructor, **changed}, params)
    assert (model.t1, model.schedule.power_init, model.time_sampling) == (0.01, 2.0, "independent")


@pytest.mark.parametrize(
    "change", [{"power_init": 1.0}, {"t1": 1e-3}, {"noise_schedule_type": "poly"}], ids=str
)
def test_genmd4_without_its_exponents_is_refused(published, change):
    constructor, params = published
    for name in ("sampler", "sampling_grid", "topp", "model_sharding"):
        constructor.pop(name, None)
    constructor = {"noise_schedule_type": "poly", **change} | {
        k: v for k, v in constructor.items() if k != "noise_schedule_type"
    }
    with pytest.raises(ValueError, match=r"missing=\['params/noise_schedule/w'\]"):
        from_md4(constructor, params)


@pytest.mark.parametrize(
    "change,message",
    [
        ({"noise_schedule_type": "linear"}, "noise_schedule_type='linear'"),
        ({"cont_time": False}, "Expected.*cont_time=True.*cont_time=False"),
        ({"sampler": "ancestral"}, "Unknown constructor arguments.*'sampler'"),
        ({"power": 1.0}, "Unknown constructor arguments.*'power'"),
        ({"n_layers": 3}, "missing=.*TransformerBlock_2"),
        ({"t1": 0.0}, "t1=0.0"),
    ],
    ids=str,
)
def test_wrong_arguments_of_genmd4_are_named(published_genmd4, change, message):
    constructor, params = published_genmd4
    with pytest.raises(ValueError, match=message):
        from_md4({**constructor, **change}, params)


def test_wrong_parameters_of_genmd4_are_named(published_genmd4):
    constructor, params = published_genmd4
    name = "params/noise_schedule/w"
    with pytest.raises(ValueError, match=rf"'{name}'.*Expected shape \(11,\).*shape=\(10,\)"):
        from_md4(constructor, {**params, name: params[name][:10]})
    with pytest.raises(ValueError, match="Unknown parameter.*noise_schedule/b"):
        from_md4(constructor, {**params, "params/noise_schedule/b": params[name]})


def test_uvit_is_said_to_be_missing():
    with pytest.raises(NotImplementedError, match="UViT"):
        from_md4({"data_shape": (8, 8, 3), "n_dit_layers": 2}, {})


@pytest.mark.parametrize("name", ["params/extra/kernel", "classifier/Embed_0/embedding"])
def test_unknown_parameters_are_named(published, name):
    constructor, params = published
    with pytest.raises(ValueError, match=f"Unknown parameter.*'{name}'"):
        from_md4(constructor, {**params, name: np.zeros(3)})
