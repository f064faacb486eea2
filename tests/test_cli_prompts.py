"""`md4keras generate` with prompts: texts that go on, answers to a chat, in blocks."""

import json

import numpy as np
import pytest

import md4keras
from md4keras import cli, networks, tokenizers
from tests.models.weights import randomised
from tests.tiny_models import save_image_model

pytestmark = pytest.mark.one_backend

LENGTH = 16
TEMPLATE = "{% for m in messages %}{{ m.content }}b{% endfor %}"


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model of text with an end and a chat template, and its folder."""
    tokenizer = tokenizers.CharacterTokenizer("abcdef ", end_token=True)
    tokenizer.chat_template = TEMPLATE
    network = networks.Transformer(8, LENGTH, num_layers=1, num_heads=2, feature_dim=8)
    model = randomised(md4keras.MD4(network))
    model.tokenizer = tokenizer
    return model, md4keras.save_model(model, tmp_path_factory.mktemp("text") / "model")


@pytest.fixture
def ask(capsys, saved):
    def asked(*words):
        capsys.readouterr()
        words = ["generate", str(saved[1]), *map(str, words), "--num-steps", "4", "--seed", "3"]
        assert cli.main([*words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return asked


HOW = {"num_steps": 4, "seed": 3}


def test_several_prompts_go_on(ask, saved):
    words = ["--prompt", "abc", "--prompt", "f", "--length", 6, "--block-length", 3]
    found = ask(*words, "--temperature", 0, "--guidance-scale", 1.5)
    how = {"length": 6, "block_length": 3, "temperature": 0, "guidance_scale": 1.5, **HOW}
    assert found["text"] == saved[0].generate(prompt=["abc", "f"], **how)
    assert [text[0] for text in found["text"]] == ["a", "f"]
    assert (found["block_length"], found["guidance_scale"]) == (3, 1.5)


def test_a_threshold_several_times_in_a_chat(ask, saved):
    found = ask("--prompt", "a", "--chat", "--num-samples", 2, "--threshold", 0.4)
    chat = [{"role": "user", "content": "a"}]
    sampler = md4keras.samplers.Threshold(threshold=0.4)
    expected = saved[0].generate(prompt=[chat] * 2, length=14, sampler=sampler, **HOW)
    assert found["text"] == expected and len(expected) == 2
    assert (found["sampler"], found["threshold"]) == ("threshold", 0.4)


def test_more_than_the_training_length(ask, saved, capsys):
    found = ask("--prompt", "ab", "--prompt", "cdef", "--length", 24)
    how = {"prompt": ["ab", "cdef"], **HOW}
    blocks = np.concatenate(list(saved[0].generate_blocks(2, 24, **how)), axis=1)
    texts = saved[0].tokenizer.decode(blocks)
    assert found["text"] == ["ab" + texts[0], "cdef" + texts[1]]


def test_models_that_draw_in_blocks_go_on_and_fill_gaps(tmp_path, capsys):
    network = networks.DiT(5, 8, num_layers=0, num_heads=2, hidden_dim=8)
    model = md4keras.BlockDiffusion(network, block_size=4)
    model.tokenizer = tokenizers.CharacterTokenizer("abcde")
    md4keras.save_model(model, tmp_path / "model")
    for words in (["generate", "--prompt", "ab"], ["infill", "ab__"]):
        how = ["--num-steps", "2", "--seed", "0"]
        assert cli.main([words[0], str(tmp_path / "model"), *words[1:], *how]) == 0
        assert "ab" in capsys.readouterr().out


def test_mistakes_are_told_before_any_work(saved, tmp_path, capsys, monkeypatch):
    image = tmp_path / "image"
    save_image_model(image)
    monkeypatch.setattr(md4keras.MD4, "sample_steps", None)
    cases = {
        "along with --chat": [saved[1], "--chat"],
        "without --sampler": [saved[1], "--threshold", "0.5", "--sampler", "event"],
        "threshold=2": [saved[1], "--threshold", "2"],
        "block_length=0": [saved[1], "--block-length", "0"],
        "guidance_scale=-1": [saved[1], "--guidance-scale", "-1"],
        "num_samples=0": [saved[1], "--prompt", "a", "--num-samples", "0"],
        "outside the alphabet": [saved[1], "--prompt", "x"],
        "--prompt is for models of text": [image, "--prompt", "a"],
        "Expected no --block-length": [image, "--block-length", "4"],
        "a file .txt in": [saved[1], "--prompt", "a", "--out", str(tmp_path / "a.npz")],
    }
    for message, words in cases.items():
        assert cli.main(["generate", *map(str, words)]) == 2, message
        assert message in capsys.readouterr().err
