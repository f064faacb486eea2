"""An export of word pieces writes text, and says that it cannot read it."""

import json

import keras
import numpy as np
import pytest

import md4keras
from md4keras import cli, tokenizers
from md4keras.data.gaps import parse_gaps
from md4keras.export import Limits, export_saved_model
from md4keras.export.signatures import Signatures
from md4keras.samplers import Ancestral
from md4keras.tokenizers import BytePairTokenizer, ByteTokenizer
from tests.export.conftest import LENGTH, spread
from tests.serving_double import ServingDouble

pytestmark = [pytest.mark.one_backend, pytest.mark.xdist_group("export")]

STEPS = {"seed": 5, "num_steps": 6}


@pytest.fixture(scope="module")
def model():
    """MD4 of few pieces, so that ends, padding and damage are among its samples."""
    keras.utils.set_random_seed(0)
    texts = ["the naïve cat 日本 "] * 9
    tokenizer = BytePairTokenizer.train(texts, 270, ["<|endoftext|>", "<pad>"])
    network = md4keras.networks.Transformer(
        tokenizer.vocabulary_size, LENGTH, num_layers=1, num_heads=2, feature_dim=8
    )
    model = md4keras.MD4(spread(network))
    model.tokenizer = tokenizer
    return model


def test_text_comes_out_and_tokens_go_in(model, tmp_path, ask, capfd):
    export_saved_model(
        model,
        tmp_path,
        limits=Limits(num_samples=64, num_steps=8),
        signatures=("generate_text", "infill"),
    )
    note = "Without infill_text and score_text"
    assert note in capfd.readouterr().out
    extra = tmp_path / "1" / "assets.extra"
    assert json.loads((extra / "manifest.json").read_text())["note"].startswith(note)
    tokenizer = tokenizers.load(extra / "tokenizer.json")  # who asks may encode with it
    tokens, mask = parse_gaps("the ____ cat", tokenizer)
    how = STEPS | {"temperature": 1.0, "time_grid": "cosine"}
    asked = how | {"top_p": 1.0}
    answers = ask(
        tmp_path / "1",
        [
            ("generate_text", asked | {"num_samples": 64, "length": LENGTH}),
            ("infill", asked | {"tokens": tokens[None], "mask": mask[None], "start_time": 0.0}),
        ],
    )
    drawn = model.generate(64, **how)
    texts = [text.decode() for text in answers[0]["text"]]
    assert texts == model.tokenizer.decode(drawn)
    assert texts != model.tokenizer.decode(drawn, cut=False)  # some had an end
    with ServingDouble(tmp_path) as server:
        command = ["request", server.rest_address, "generate_text", "num_samples=64", "seed=5"]
        assert cli.main([*command, "num_steps=6", "--json"]) == 0
        assert json.loads(capfd.readouterr().out)["text"] == texts
        assert cli.main(["request", server.rest_address, "infill_text", 'text=["a ____"]']) == 2
    filled = model.infill(tokens[None], mask[None], **how)
    np.testing.assert_array_equal(answers[1]["tokens"], filled)
    assert tokenizer.decode(filled)[0].startswith("the")


@pytest.mark.slow
def test_texts_that_the_graph_cannot_cut_are_refused_with_the_reason(model, tmp_path):
    with pytest.raises(ValueError, match="infill_text.*cannot cut a text into word pieces. Encode"):
        export_saved_model(model, tmp_path, signatures=("infill_text",), verbose=False)


def test_bytes_with_an_end_are_cut_there(model):
    import tensorflow as tf

    from md4keras.export.text import GraphDecoder, GraphTokenizer

    tokens = np.random.default_rng(0).choice([97, 195, 169, 256], size=(20, 8)).astype("int32")
    tokenizer = ByteTokenizer(end_token=True)
    found = [text.decode() for text in GraphDecoder(tokenizer).decode(tokens).numpy()]
    assert found == tokenizer.decode(tokens)
    encoded = GraphTokenizer(tokenizer, 8, 8).encode(tf.constant(["a___"]), gaps=True)
    assert encoded.numpy().tolist() == [[97, 257, 257, 257]]
    assert Signatures(model, Ancestral(), Limits()).lacks == ("infill_text", "score_text")
