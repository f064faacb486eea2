import json

import keras
import numpy as np
import pytest

import md4keras
from md4keras.checkpoints import from_llada
from md4keras.networks import Llama
from tests.compiled import one_program
from tests.reference import array, load_reference, reference_params

FILES = ["llada", "llada_grouped_heads"]


def published(name: str = "llada_grouped_heads"):
    """A file's arrays, the entries of its `config.json`, and its state dictionary."""
    reference = load_reference(name)
    config = json.loads(str(reference["config"]))["hf_config"]
    params = {k.removeprefix("params/"): x for k, x in reference_params(reference).items()}
    return reference, config, params


def logits_of(model, zt):
    """Logits of published ids, in their order, without that of the mask."""
    zt = model.ids_from_published(zt)
    logits = one_program(model.network)({"tokens": zt})
    order = model.ids_to_published(np.arange(model.network.vocabulary_size))
    return array(logits), order


@pytest.mark.parametrize("name", FILES)
def test_logits_are_the_published_ones(name):
    reference, config, params = published(name)
    model = from_llada(config, params)
    assert isinstance(model.network, Llama)
    assert not model.network.time_conditioned
    logits, order = logits_of(model, reference["zt"])
    assert (reference["zt"] == config["mask_token_id"]).any()
    assert config["mask_token_id"] < config["vocab_size"] - 1  # it lies between the tokens
    np.testing.assert_allclose(logits, reference["logits"][..., order], atol=1e-4, rtol=1e-4)


def test_ids_are_translated_both_ways():
    _, config, params = published()
    model = from_llada(config, params)
    assert model.published_mask == 62
    ids = np.array([[0, 61, 62, 63]])
    np.testing.assert_array_equal(model.ids_from_published(ids), [[0, 61, 63, 62]])
    np.testing.assert_array_equal(model.ids_to_published([[0, 61, 63, 62]]), ids)


def test_a_converted_model_is_saved_and_loaded_whole(tmp_path):
    reference, config, params = published()
    model = from_llada(config, params)
    copy = md4keras.load_model(md4keras.save_model(model, tmp_path / "model"))
    assert copy.published_mask == 62
    logits, copied = (logits_of(each, reference["zt"])[0] for each in (model, copy))
    np.testing.assert_array_equal(copied, logits)


def test_rows_that_fill_the_table_up_are_left_out():
    reference, config, params = published()
    for name in ("wte", "ff_out"):
        name = f"model.transformer.{name}.weight"
        params[name] = np.concatenate([params[name], np.full((3, 32), 9, "float32")])
    logits, order = logits_of(from_llada({**config, "embedding_size": 67}, params), reference["zt"])
    np.testing.assert_allclose(logits, reference["logits"][..., order], atol=1e-4, rtol=1e-4)


def test_the_head_may_be_the_table():
    reference, config, params = published()
    head, table = (f"model.transformer.{name}.weight" for name in ("ff_out", "wte"))
    params[head] = params[table]
    untied, order = logits_of(from_llada(config, params), reference["zt"])
    del params[head]
    model = from_llada({**config, "weight_tying": True}, params)
    np.testing.assert_allclose(logits_of(model, reference["zt"])[0], untied, atol=1e-5)
    assert len(model.network.trainable_variables) == len(params)


def test_the_weights_take_the_policy_of_the_day():
    _, config, params = published()
    keras.config.set_dtype_policy("bfloat16")
    try:
        model = from_llada(config, params)
    finally:
        keras.config.set_dtype_policy("float32")
    kernel = model.network.blocks[1].mlp.gate.kernel
    assert keras.backend.standardize_dtype(kernel.dtype) == "bfloat16"
    assert keras.backend.standardize_dtype(model.network.head.linear_kernel.dtype) == "float32"
    expected = params["model.transformer.blocks.1.ff_proj.weight"].T
    np.testing.assert_allclose(array(keras.ops.cast(kernel, "float32")), expected, rtol=1e-2)


HARMLESS = {
    "_name_or_path": "GSAI-ML/LLaDA-8B-Base",
    "auto_map": {"AutoConfig": "configuration_llada.LLaDAConfig"},
    "torch_dtype": "bfloat16",
    "transformers_version": "4.46.3",
    "init_cutoff_factor": None,
    "precision": "amp_bf16",
    "flash_attention": True,
}


@pytest.mark.one_backend
def test_entries_without_effect_are_passed_over():
    _, config, params = published()
    model = from_llada({**config, **HARMLESS}, params)
    assert model.network.get_config()["num_key_value_heads"] == 2
    del config["n_kv_heads"], config["mlp_hidden_size"], config["embedding_size"]
    hidden = {"mlp_ratio": 3, "multi_query_attention": True}
    with pytest.raises(ValueError, match=r"k_proj.*Expected shape \(8, 32\)"):
        from_llada({**config, **hidden}, params)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "change,message",
    [
        ({"alibi": True}, "`alibi`.*Expected False.*alibi=True"),
        ({"rope": False}, "Expected True.*rope=False"),
        ({"rope": 1}, "Expected True.*rope=1"),
        ({"layer_norm_type": "gemma_rms"}, "layer_norm_type='gemma_rms'"),
        ({"bias_for_layer_norm": True}, "bias_for_layer_norm=True"),
        ({"attention_layer_norm": True}, "attention_layer_norm=True"),
        ({"layer_norm_with_affine": False}, "layer_norm_with_affine=False"),
        ({"include_bias": True}, "include_bias=True"),
        ({"include_qkv_bias": True}, "include_qkv_bias=True"),
        ({"activation_type": "gelu"}, "activation_type='gelu'"),
        ({"activation_type": "swiglu"}, "activation_type='swiglu'"),
        ({"block_type": "sequential"}, "block_type='sequential'"),
        ({"block_group_size": 2}, "block_group_size=2"),
        ({"input_emb_norm": True}, "input_emb_norm=True"),
        ({"scale_logits": True}, "scale_logits=True"),
        ({"model_type": "llama"}, "model_type='llama'"),
        ({"architectures": ["LLaDAMoEModelLM"]}, "architectures=.*MoE"),
        ({"num_experts": 64}, "Unknown config settings.*'num_experts'"),
        ({"quantization_config": {}}, "Unknown config settings.*'quantization_config'"),
        ({"mask_token_id": None}, "mask_token_id=None"),
        ({"mask_token_id": 64}, "below vocab_size=64.*mask_token_id=64"),
        ({"embedding_size": 63}, "at least vocab_size=64.*embedding_size=63"),
        ({"embedding_size": 128}, r"wte.weight'.*Expected shape \(128, 32\).*shape=\(64, 32\)"),
        ({"n_heads": 3}, "d_model=32.*n_heads=3"),
        ({"n_kv_heads": 1}, r"k_proj.weight'.*Expected shape \(8, 32\).*shape=\(16, 32\)"),
        ({"multi_query_attention": True}, "1 with multi_query_attention=True.*n_kv_heads=2"),
        ({"mlp_hidden_size": 96}, r"ff_proj.weight'.*Expected shape \(96, 32\).*shape=\(80, 32\)"),
        ({"d_model": 2**40}, "wte.weight'.*Expected shape"),
        ({"n_layers": 10**12}, "more layers than there are parameters.*n_layers=1000000000000"),
        ({"n_layers": 3}, "missing=.*'model.transformer.blocks.2.attn_norm.weight'"),
        ({"n_layers": 1}, "unknown=.*'model.transformer.blocks.1.attn_norm.weight'"),
        ({"weight_tying": True}, "unknown=.'model.transformer.ff_out.weight'.*missing=.."),
        ({"residual_dropout": 1.5}, "residual_dropout=1.5"),
    ],
    ids=str,
)
def test_wrong_entries_are_named(change, message):
    _, config, params = published()
    with pytest.raises(ValueError, match=message):
        from_llada({**config, **change}, params)


@pytest.mark.one_backend
@pytest.mark.parametrize("name", ["d_model", "vocab_size", "mask_token_id", "block_type", "rope"])
def test_left_out_entries_are_named_where_they_are_needed(name):
    _, config, params = published()
    del config[name]
    with pytest.raises(ValueError, match=rf"`{name}`.*Received: {name}=.* \(by default\)"):
        from_llada(config, params)


@pytest.mark.one_backend
@pytest.mark.parametrize(
    "value,message",
    [
        (np.full((80, 32), np.nan), "holds NaN"),
        (np.full((80, 32), "a"), "no array of real numbers"),
        (np.ones((32, 80)), r"Expected shape \(80, 32\). Received: shape=\(32, 80\)"),
        ([[1.0], [2.0, 3.0]], r"Received: shape=\(\)"),
    ],
    ids=["nan", "text", "transposed", "ragged"],
)
def test_wrong_parameters_are_named(value, message):
    _, config, params = published()
    name = "model.transformer.blocks.1.up_proj.weight"
    with pytest.raises(ValueError, match=f"'{name}'.*{message}"):
        from_llada(config, {**params, name: value})


@pytest.mark.one_backend
def test_names_of_parameters_are_exact():
    _, config, params = published()
    extra = "model.transformer.blocks.0.q_proj.bias"
    with pytest.raises(ValueError, match=rf"unknown=\['{extra}'\], missing=\[\]"):
        from_llada(config, {**params, extra: np.zeros(32)})
    short = {name.removeprefix("model."): value for name, value in params.items()}
    with pytest.raises(ValueError, match=r"unknown=\['transformer.*missing=\['model.transformer"):
        from_llada(config, short)
    with pytest.raises(ValueError, match="`config` must be a dictionary"):
        from_llada(None, params)
    with pytest.raises(ValueError, match="`params` must be a dictionary"):
        from_llada(config, list(params))
