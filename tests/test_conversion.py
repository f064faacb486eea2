import numpy as np
import pytest

from md4keras import GenMD4
from md4keras.conversion import from_md4
from md4keras.networks import UViT
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
        ({"data_shape": (0,)}, "data_shape"),
        ({"sampler": "best"}, "`sampler`.*best"),
        ({"sampling_grid": "log"}, "`sampling_grid`.*log"),
        ({"cont_time": 1}, "cont_time=1"),
        ({"timesteps": 0}, "timesteps=0"),
        ({"timesteps": True}, "timesteps=True"),
        ({"n_layers": 2.0}, r"n_layers=2\.0"),
        ({"topp": 0.0}, r"\(0, 1\].*topp"),
        ({"dropout_rate": "0.1"}, "dropout_rate='0.1'"),
        ({"classes": None}, "classes=None"),
        ({"noise_schedule_type": "sigmoid"}, "sigmoid"),
        ({"mlp_type": "relu"}, "relu"),
        ({"n_layers": 3}, "missing=.*'params/classifier/.*TransformerBlock_2"),
        ({"n_layers": 1}, "unknown=.*'params/classifier/.*TransformerBlock_1"),
        (
            {"feature_dim": 16, "num_heads": 2},
            r"'params/classifier/.*Expected shape .* Received: shape=",
        ),
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


@pytest.fixture
def published_uvit():
    reference = load_reference("uvit_ch11_t_class")
    params = {
        name.replace("params/", "params/classifier/", 1): array
        for name, array in reference_params(reference).items()
    }
    params["params/cond_embeddings/embedding"] = reference["cond_table"]
    return reference, reference_constructor(reference), params


def test_a_core_of_dit_layers_makes_a_uvit(published_uvit):
    reference, constructor, params = published_uvit
    model = from_md4(constructor, params)
    assert isinstance(model.network, UViT)
    logits = model.predict_logits(reference["zt"], reference["t"], reference["labels"])
    np.testing.assert_allclose(array(logits), reference["logits"], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "change,message",
    [
        ({"n_dit_layers": 2}, "missing=.*DiT_0/blocks_1"),
        ({"n_dit_layers": 0}, "Expected a multiple of 32, at least 64"),  # a UNet
        ({"ch_mult": [1]}, "unknown=.*ResBlock_3"),
        ({"ch_mult": [1, 1, 1]}, "missing=.*ResBlock_8"),
        ({"ch_mult": [1, 2]}, "missing=.*ResBlock_2/Dense_0"),
        ({"ch_mult": 1}, "Received: ch_mult=1"),
        ({"ch_mult": [1, 1, 1, 1]}, "multiples of 16. Received: image_shape="),
        ({"dit_hidden_size": 64}, r"Expected shape .* Received: shape="),
        ({"dit_num_heads": 3}, "Received: hidden_dim=32, num_heads=3"),
    ],
    ids=str,
)
def test_wrong_arguments_of_a_uvit_are_named(published_uvit, change, message):
    _, constructor, params = published_uvit
    with pytest.raises(ValueError, match=message):
        from_md4({**constructor, **change}, params)


@pytest.mark.parametrize(
    "name",
    [
        "params/extra/kernel",
        "classifier/Embed_0/embedding",
        "params/classifier/cond_embeddings/embedding",
        "params/Embed_0/embedding",
    ],
)
def test_unknown_parameters_are_named(published, name):
    constructor, params = published
    with pytest.raises(ValueError, match=rf"unknown=\['{name}'\], missing=\[\]"):
        from_md4(constructor, {**params, name: np.zeros(3)})


def test_the_class_table_is_outside_the_network():
    reference = load_reference("md4_loss_image_class")
    params = reference_params(reference)
    table = params.pop("params/cond_embeddings/embedding")
    params["params/classifier/cond_embeddings/embedding"] = table
    with pytest.raises(ValueError, match="unknown=.*classifier/cond.*missing=.*'params/cond_emb"):
        from_md4(reference_constructor(reference), params)


def test_a_data_shape_may_be_an_array(published):
    constructor, params = published
    model = from_md4({**constructor, "data_shape": np.array(constructor["data_shape"])}, params)
    assert model.network.data_shape == (12,)


@pytest.mark.parametrize(
    "value", [None, "abc", 1j, {"nested": 1.0}, [[1.0], [1.0, 2.0]], np.nan, np.inf, 1e300]
)
def test_parameters_are_real_and_finite(published, value):
    constructor, params = published
    name = "params/classifier/Transformer_0/Dense_0/bias"
    if isinstance(value, float):
        value = np.full(params[name].shape, value)
    with pytest.raises(ValueError, match=f"'{name}' (is no array of real|holds NaN or infinity)"):
        from_md4(constructor, {**params, name: value})


def test_what_is_no_dictionary_is_named(published):
    constructor, params = published
    with pytest.raises(ValueError, match="`constructor` must be a dictionary"):
        from_md4(None, params)
    with pytest.raises(ValueError, match="`params` must be a dictionary"):
        from_md4(constructor, None)
