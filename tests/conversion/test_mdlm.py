import json

import keras
import numpy as np
import pytest

import md4keras
from md4keras import MD4, BlockDiffusion
from md4keras.checkpoints import from_bd3lm, from_mdlm
from md4keras.conversion.mdlm_config import BD3LM_ENTRIES, MDLM_ENTRIES, complete_config
from md4keras.networks import DiT
from md4keras.schedules import LogLinear
from tests.compiled import one_program
from tests.reference import array, load_reference, reference_params

# What the published config.json hold besides.
OF_THE_HUB = {
    "_name_or_path": "somewhere",
    "architectures": ["MDLM"],
    "auto_map": {"AutoConfig": "configuration_mdlm.MDLMConfig"},
    "return_dict": False,
    "torch_dtype": "float32",
    "transformers_version": "4.38.2",
}
OF_BD3LM = {"attn_backend": "flex", "sampling_eps_max": 0.999, "sampling_eps_min": 0.001}


def published(name):
    """A file's arrays, the entries of its `config.json`, and its state dictionary."""
    reference = load_reference(name)
    config = json.loads(str(reference["config"]))
    if name.startswith("bd3lm"):
        config = config["hf_config"]
    else:
        config = {k: v for k, v in config.items() if k not in ("kind", "mask_index")}
    params = {k.removeprefix("params/"): x for k, x in reference_params(reference).items()}
    return reference, config, params


def close(found, expected, atol=1e-4):
    np.testing.assert_allclose(array(found), expected, atol=atol, rtol=1e-4)


@pytest.mark.parametrize("name", ["mdlm_timed", "mdlm_untimed"])
def test_mdlm_has_the_published_logits_and_losses(name):
    reference, config, params = published(name)
    model = from_mdlm(config, params)
    assert type(model) is MD4 and isinstance(model.network, DiT)
    assert model.network.time_conditioned == config["time_conditioning"]
    vocabulary_size = model.network.vocabulary_size
    zt, time = reference["zt"], reference["t"]
    masked = zt == model.mask_token
    assert model.mask_token == config["vocab_size"] - 1 and masked.any()

    def logits_and_losses(x, zt, time):
        loss = model.diffusion_loss(x, zt, time)
        return model.predict_logits(zt, time), loss, model.masking_weight(time)

    found = one_program(logits_and_losses, model)(reference["x"], zt, time)
    logits, loss, weight = map(array, found)
    close(logits, reference["raw_logits"][..., :vocabulary_size])
    log_probs = array(keras.ops.log_softmax(logits, axis=-1))
    close(log_probs[masked], reference["log_probs"][masked][:, :vocabulary_size])
    nll = -np.take_along_axis(log_probs, reference["x"][..., None], axis=-1)[..., 0]
    expected = np.nan_to_num(reference["nll_per_token"])
    close(masked * nll * weight[:, None], expected)
    close(loss, expected.sum(-1))
    assert not array(model.reconstruction_loss(reference["x"])).any()  # nothing is masked at 0


@pytest.mark.parametrize(
    "name",
    ["bd3lm_block1", "bd3lm_block4", pytest.param("bd3lm_block_whole", marks=pytest.mark.slow)],
)
def test_bd3lm_has_the_published_logits_and_losses(name):
    reference, config, params = published(name)
    model = from_bd3lm(config, params)
    assert type(model) is BlockDiffusion and model.block_size == config["block_size"]
    time = reference["t"][:, :: model.block_size]  # one of each block

    def all_of_it(x, zt, time, tokens, context):
        return (
            model.training_logits(x, zt),
            model.token_losses(x, zt, time),
            model.diffusion_loss(x, zt, time),
            model.predict_logits(tokens, None),
            model.predict_logits(context, None),
        )

    names = "x0", "xt", "sampling_tokens", "context_tokens"
    x, zt, tokens, context = (reference[name] for name in names)
    found = one_program(all_of_it, model)(x, zt, time, tokens, context)
    nll = np.nan_to_num(reference["nll_per_token"])
    ordinary = slice(model.network.vocabulary_size)  # all but the mask
    logits = (
        reference[f"{name}_logits"][..., ordinary] for name in ("training", "sampling", "context")
    )
    close(found[0], next(logits))
    close(found[1], nll)
    close(found[2], nll.sum(-1))
    close(found[3], next(logits))
    close(found[4], next(logits))


@pytest.mark.parametrize(
    "name, make",
    [
        pytest.param("mdlm_timed", from_mdlm, marks=pytest.mark.slow),
        ("bd3lm_block4", from_bd3lm),
    ],
)
def test_a_converted_model_is_saved_and_loaded_whole(name, make, tmp_path):
    reference, config, params = published(name)
    model = make(config, params)
    model.save(tmp_path / "model.keras")
    zt = reference["zt" if "zt" in reference else "sampling_tokens"]
    time = np.full((len(zt),), 0.5, "float32")
    logits = array(one_program(model.predict_logits)(zt, time))
    for copy in (
        md4keras.load_model(md4keras.save_model(model, tmp_path / "model")),
        keras.saving.load_model(tmp_path / "model.keras"),
    ):
        assert copy.get_config() == model.get_config()
        np.testing.assert_array_equal(array(one_program(copy.predict_logits)(zt, time)), logits)


@pytest.mark.one_backend
def test_buffers_of_the_published_modules_may_be_among_the_parameters():
    _, config, params = published("bd3lm_block4")
    size = config["hidden_dim"] // config["n_heads"]
    frequencies = 10_000.0 ** (-2 * np.arange(size // 2) / size)
    buffers = {
        "backbone.rotary_emb.inv_freq": frequencies.astype("float32"),
        "sampling_eps_min": np.float32(1e-3),
        "sampling_eps_max": np.float32(1.0),
    }
    network = from_bd3lm({**config, **OF_THE_HUB, **OF_BD3LM}, {**params, **buffers}).network
    plain = from_bd3lm(config, params).network
    for ours, theirs in zip(network.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    buffers["backbone.rotary_emb.inv_freq"] = frequencies**2
    with pytest.raises(ValueError, match="rotary positions are not.*'backbone.rotary_emb.inv_freq"):
        from_bd3lm(config, {**params, **buffers})


@pytest.mark.one_backend
def test_the_configurations_on_the_hub_are_known():
    """The entries of kuleshov-group/mdlm-owt and of bd3lm-owt-block_size4."""
    sizes = {"vocab_size": 50258, "model_length": 1024, "hidden_dim": 768, "cond_dim": 128}
    sizes |= {"n_blocks": 12, "n_heads": 12, "dropout": 0.1, "time_conditioning": False}
    mdlm = {**sizes, **OF_THE_HUB, "model_type": "mdlm"}
    assert complete_config(mdlm, MDLM_ENTRIES).items() >= sizes.items()
    bd3lm = {**sizes, **OF_THE_HUB, **OF_BD3LM, "model_type": "bd3lm", "block_size": 4}
    bd3lm |= {"adaln": True, "cross_attn": True, "causal": False, "var_min": True}
    assert complete_config(bd3lm, BD3LM_ENTRIES)["block_size"] == 4


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "change, message",
    [
        ({"model_type": "llada"}, "`model_type`.*'mdlm'.*model_type='llada'"),
        ({"hidden_size": 32}, "Unknown.*hidden_size"),
        ({"hidden_dim": None}, "`hidden_dim`.*hidden_dim=None"),
        ({"hidden_dim": 32.0}, r"`hidden_dim`.*hidden_dim=32\.0"),
        ({"n_heads": 3}, "divisor of hidden_dim=32.*n_heads=3"),
        ({"n_blocks": True}, "`n_blocks`.*n_blocks=True"),
        ({"n_blocks": 10**9}, "more blocks than there are parameters.*n_blocks=1000000000"),
        ({"n_blocks": 3}, "missing=.*'backbone.blocks.2.adaLN_modulation.bias'"),
        ({"n_blocks": 1}, "unknown=.*'backbone.blocks.1.adaLN_modulation.bias'"),
        ({"cond_dim": 8}, r"'backbone.sigma_map.mlp.0.weight'.*\(8, 256\).*\(16, 256\)"),
        ({"vocab_size": 10**9}, r"'backbone.vocab_embed.embedding'.*\(1000000000, 32\)"),
        ({"dropout": 1}, "`dropout`.*dropout=1"),
        ({"time_conditioning": "no"}, "`time_conditioning`.*'no'"),
    ],
    ids=str,
)
def test_a_wrong_config_is_refused_by_name(change, message):
    _, config, params = published("mdlm_timed")
    with pytest.raises(ValueError, match=message):
        from_mdlm({**config, **change}, params)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "change, message",
    [
        ({"causal": True}, "`causal`.*False.*causal=True"),
        ({"adaln": False}, "`adaln`.*True.*adaln=False"),
        ({"cross_attn": False}, "`cross_attn`.*cross_attn=False"),
        ({"time_conditioning": True}, "`time_conditioning`.*=True"),
        ({"block_size": 0}, "`block_size`.*block_size=0"),
        ({"model_type": "mdlm"}, "`model_type`.*'bd3lm'.*model_type='mdlm'"),
    ],
    ids=str,
)
def test_another_architecture_of_blocks_is_refused_by_name(change, message):
    _, config, params = published("bd3lm_block4")
    with pytest.raises(ValueError, match=message):
        from_bd3lm({**config, **change}, params)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "change, message",
    [
        ({"backbone.blocks.0.norm1.weight": None}, "no array of real numbers|does not fit"),
        ({"backbone.blocks.0.norm1.bias": np.ones(32)}, "unknown=.*blocks.0.norm1.bias"),
        ({"backbone.blocks.0.norm1.weight": np.ones(31)}, r"blocks.0.norm1.weight'.*\(31,\)"),
        (
            {"backbone.blocks.0.norm1.weight": np.full(32, np.nan)},
            "blocks.0.norm1.weight' holds NaN",
        ),
        ({"backbone.blocks.0.norm1.weight": np.full(32, "1")}, "no array of real numbers"),
    ],
    ids=["none", "extra", "misshapen", "nan", "text"],
)
def test_wrong_parameters_are_refused_by_name(change, message):
    _, config, params = published("mdlm_timed")
    with pytest.raises(ValueError, match=message):
        from_mdlm(config, {**params, **change})


@pytest.mark.one_backend
def test_a_missing_parameter_is_named():
    _, config, params = published("mdlm_timed")
    del params["backbone.output_layer.linear.bias"]
    with pytest.raises(ValueError, match=r"missing=\['backbone.output_layer.linear.bias'\]"):
        from_mdlm(config, params)
    with pytest.raises(ValueError, match="`params` must be a dictionary"):
        from_mdlm(config, [])
    with pytest.raises(ValueError, match="`config` must be a dictionary"):
        from_mdlm("mdlm", params)


@pytest.mark.one_backend
def test_the_schedules_are_the_published_ones():
    assert MDLM_ENTRIES["model_type"][0] == "mdlm"
    _, config, params = published("mdlm_untimed")
    assert type(from_mdlm(config, params).schedule) is LogLinear
    np.testing.assert_allclose(LogLinear().alpha(0.25), 1 - 0.999 * 0.25)
