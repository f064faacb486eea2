"""An export answers as the model does, in a process with TensorFlow alone."""

import json

import keras
import numpy as np
import pytest

from md4keras import samplers
from md4keras.data.gaps import parse_gaps
from md4keras.export import SIGNATURES

pytestmark = pytest.mark.xdist_group("export")  # in one process: the exports are shared

LENGTH = 12
DRAW = {"seed": 0, "temperature": 1.0, "top_p": 1.0}
STEPS = DRAW | {"num_steps": 8, "time_grid": "cosine"}


def numpy(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def test_text_is_generated_filled_and_scored_as_by_the_model(exported, ask):
    model, folder = exported("text")
    x = np.random.default_rng(0).integers(6, size=(3, LENGTH))
    zt = np.where(np.arange(LENGTH) % 3 == 0, 6, x)
    mask = np.arange(LENGTH)[None] < np.array([[2], [7], [12]])
    varied = STEPS | {"seed": 2**32 - 5, "temperature": 0.7, "top_p": 0.8, "num_steps": 13}
    uniform = STEPS | {"time_grid": "uniform", "seed": 3, "temperature": 0.0}
    answers = ask(
        folder / "1",
        [
            ("serving_default", {"tokens": zt, "time": [0.1, 0.5, 1.0]}),
            ("serving_default", {"tokens": zt[:1, :5], "time": [0.0]}),
            ("generate", STEPS | {"num_samples": 3, "length": LENGTH}),
            ("generate", varied | {"num_samples": 5, "length": LENGTH - 5}),
            ("generate", uniform | {"num_samples": 1, "length": 1}),
            ("infill", STEPS | {"tokens": np.where(mask, 77, x), "mask": mask, "start_time": 0.0}),
            ("infill", varied | {"tokens": x, "mask": mask, "start_time": 0.6}),
            ("score", {"tokens": x, "seed": 4, "num_samples": 7}),
            ("score", {"tokens": x[:, :4], "seed": 4, "num_samples": 16}),
        ],
    )
    logits = model.predict_logits(zt, np.array([0.1, 0.5, 1.0]))
    np.testing.assert_allclose(answers[0]["logits"], numpy(logits), atol=1e-5)
    short = model.predict_logits(zt[:1, :5], 0.0)
    np.testing.assert_allclose(answers[1]["logits"], numpy(short), atol=1e-5)

    def generate(num_samples, length, top_p=1.0, **arguments):
        sampler = _top_p(top_p)
        *_, last = model.sample_steps(
            num_samples, data_shape=(length,), sampler=sampler, **arguments
        )
        return last.tokens, last.calls

    for answer, (tokens, calls) in zip(
        answers[2:5],
        [
            generate(3, LENGTH, **STEPS),
            generate(5, LENGTH - 5, **varied),
            generate(1, 1, **uniform),
        ],
        strict=True,
    ):
        np.testing.assert_array_equal(answer["tokens"], tokens)
        assert answer["network_calls"] == calls
    filled = model.infill(x, mask, sampler=_top_p(1.0), **_without_top_p(STEPS))
    np.testing.assert_array_equal(answers[5]["tokens"], filled)
    filled = model.infill(x, mask, sampler=_top_p(0.8), start_time=0.6, **_without_top_p(varied))
    np.testing.assert_array_equal(answers[6]["tokens"], filled)
    for answer, (nelbo, error) in zip(
        answers[7:],
        [model.score(x, seed=4, num_samples=7), model.score(x[:, :4], seed=4, num_samples=16)],
        strict=True,
    ):
        np.testing.assert_allclose(answer["nelbo"], nelbo, rtol=1e-5)
        np.testing.assert_allclose(answer["standard_error"], error, rtol=1e-4)


def _top_p(p):
    return samplers.Ancestral() if p == 1.0 else samplers.TopP(p)


def _without_top_p(settings):
    return {name: value for name, value in settings.items() if name != "top_p"}


def test_strings_are_those_of_the_tokenizer(exported, ask):
    model, folder = exported("text")
    answers = ask(
        folder / "1",
        [
            ("generate_text", STEPS | {"num_samples": 4, "length": LENGTH}),
            ("infill_text", STEPS | {"text": ["a____é_b", "b_c___ c"], "start_time": 0.0}),
            ("score_text", {"text": ["a_é", "cab"], "seed": 1, "num_samples": 6}),
        ],
    )
    texts = [text.decode() for text in answers[0]["text"]]
    assert texts == model.tokenizer.decode(model.generate(4, **_without_top_p(STEPS)))
    parsed = [parse_gaps(text, model.tokenizer) for text in ("a____é_b", "b_c___ c")]
    tokens, mask = map(np.stack, zip(*parsed, strict=True))
    filled = model.infill(np.where(mask, 0, tokens), mask, **_without_top_p(STEPS))
    assert [text.decode() for text in answers[1]["text"]] == model.tokenizer.decode(filled)
    x = np.stack([model.tokenizer.encode(text) for text in ("a_é", "cab")])
    nelbo, error = model.score(x, seed=1, num_samples=6)
    np.testing.assert_allclose(answers[2]["nelbo"], nelbo, rtol=1e-5)
    np.testing.assert_allclose(answers[2]["standard_error"], error, rtol=1e-4)


@pytest.mark.slow
def test_images_with_classes_guidance_and_a_sampler_with_memory(exported, ask):
    model, folder = exported("image")
    sampler = samplers.Remasking(rule="confidence")
    labels = np.array([0, 2, 3, 1])  # 3: no class
    tokens = np.random.default_rng(0).integers(300, size=(4, 4, 4, 1))
    mask = np.zeros((4, 4, 4, 1), bool)
    mask[:, :3] = True
    answers = ask(
        folder / "1",
        [
            ("generate", STEPS | {"num_samples": 4, "labels": labels, "guidance": 1.0}),
            ("generate", STEPS | {"num_samples": 4, "labels": labels, "guidance": 2.5}),
            (
                "infill",
                STEPS
                | {"tokens": tokens, "mask": mask, "labels": labels}
                | {"guidance": 0.0, "start_time": 0.0},
            ),
            ("score", {"tokens": tokens, "labels": labels, "seed": 0, "num_samples": 4}),
            ("serving_default", {"tokens": tokens, "labels": labels, "time": [0.3] * 4}),
        ],
    )
    settings = _without_top_p(STEPS) | {"sampler": sampler, "labels": labels}
    for answer, guidance in zip(answers[:2], (1.0, 2.5), strict=True):
        expected = model.generate(4, guidance_scale=guidance, **settings)
        np.testing.assert_array_equal(answer["tokens"], expected)
    filled = model.infill(tokens, mask, guidance_scale=0.0, **settings)
    np.testing.assert_array_equal(answers[2]["tokens"], filled)
    nelbo, _ = model.score(tokens, labels, num_samples=4)
    np.testing.assert_allclose(answers[3]["nelbo"], nelbo, rtol=1e-5)
    logits = numpy(model.predict_logits(tokens, 0.3, labels))
    np.testing.assert_allclose(answers[4]["logits"], logits, atol=1e-5)


@pytest.mark.slow
def test_blocks_with_keys_and_values_kept_in_the_graph(exported, ask):
    """The tokens of the model, past the training length, too."""
    model, folder = exported("blocks")
    labels, length = np.array([0, 2, 1]), LENGTH + 5
    x = np.random.default_rng(0).integers(6, size=(3, length))
    mask = np.arange(length)[None] < np.array([[2], [7], [length]])
    mask[0, -3:] = True
    drawn = STEPS | {"num_samples": 3, "length": length, "labels": labels}
    gaps = STEPS | {"tokens": x, "mask": mask, "labels": labels, "guidance": 1.0, "start_time": 0.0}
    answers = ask(
        folder / "1",
        [
            ("generate", drawn | {"guidance": 1.0}),
            ("generate", drawn | {"guidance": 2.5, "length": 3}),
            ("generate", drawn | {"guidance": 2.5}),
            ("infill", gaps),
        ],
    )
    settings = _without_top_p(STEPS) | {"labels": labels}
    cases = (1.0, length), (2.5, 3), (2.5, length)
    for answer, (guidance, tokens) in zip(answers[:3], cases, strict=True):
        expected = model.generate(3, guidance_scale=guidance, length=tokens, **settings)
        np.testing.assert_array_equal(answer["tokens"], expected)
    *_, last = model.sample_steps(3, length=length, **settings)
    assert answers[0]["network_calls"] == last.calls
    np.testing.assert_array_equal(answers[3]["tokens"], model.infill(x, mask, **settings))


@pytest.mark.slow
def test_a_client_that_keeps_keys_and_values_asks_for_block_after_block(exported, ask):
    model, folder = exported("blocks")
    labels, kept, blocks = np.array([0, 2]), np.zeros((2, 4, 0, 2, 4), "float32"), []
    request = STEPS | {"tokens": np.full((2, 4), 6), "labels": labels, "guidance": 2.5}
    request |= {"start_time": 1.0, "keys": kept, "values": kept}
    for _ in range(3):
        (answer,) = ask(folder / "1", [("next_block", request)])
        request |= {name: answer[name] for name in ("keys", "values")}
        blocks.append(answer["tokens"])
    assert request["keys"].shape == (2, 4, 12, 2, 4)
    settings = _without_top_p(STEPS) | {"labels": labels, "guidance_scale": 2.5}
    expected = model.generate(2, length=12, **settings)
    np.testing.assert_array_equal(np.concatenate(blocks, axis=1), expected)


@pytest.mark.slow
def test_bytes_under_a_schedule_per_token(exported, ask):
    model, folder = exported("bytes")
    x = model.tokenizer.encode("né " * 3)[None]  # [1, LENGTH]
    mask = np.arange(LENGTH)[None] % 2 == 0
    answers = ask(
        folder / "1",
        [
            ("generate", STEPS | {"num_samples": 3, "length": LENGTH}),
            ("infill", STEPS | {"tokens": x, "mask": mask, "start_time": 0.0}),
            ("score", {"tokens": x, "seed": 0, "num_samples": 5}),
            ("infill_text", STEPS | {"text": ["né ____ __x"], "start_time": 0.0}),
        ],
    )
    np.testing.assert_array_equal(
        answers[0]["tokens"],
        model.generate(3, data_shape=(LENGTH,), **_without_top_p(STEPS)),
    )
    np.testing.assert_array_equal(
        answers[1]["tokens"], model.infill(x, mask, **_without_top_p(STEPS))
    )
    nelbo, _ = model.score(x, num_samples=5)
    np.testing.assert_allclose(answers[2]["nelbo"], nelbo, rtol=1e-5)
    text = answers[3]["text"][0].decode()  # valid UTF-8, whatever was drawn
    assert text.startswith("né ") and text.endswith(" __x")


def test_steps_of_the_client_are_those_of_the_loop(exported, ask):
    """A loop of `denoise_step` outside gives what `generate` gives inside, step by step."""
    model, folder = exported("text")
    t, s = samplers.make_time_grid(5)
    states = [state.tokens for state in model.sample_steps(2, num_steps=5, seed=3)]
    one = DRAW | {"seed": 3, "start_time": 1.0}
    requests = [one | {"tokens": states[k], "t": t[k], "s": s[k], "step": k} for k in range(4)]
    answers = ask(folder / "1", [("denoise_step", request) for request in requests])
    for answer, state in zip(answers, states[1:], strict=False):
        np.testing.assert_array_equal(answer["tokens"], state)


@pytest.mark.slow
def test_steps_carry_the_memory_of_a_sampler(exported, ask):
    model, folder = exported("image")
    t, s = samplers.make_time_grid(3)
    one = DRAW | {"labels": [1, 0], "guidance": 1.0, "start_time": 1.0}
    first = {"tokens": np.full((2, 4, 4, 1), 300), "memory": np.zeros((2, 4, 4, 1))}
    requests = []
    for step, (now, then) in enumerate([*zip(t, s, strict=True), (0.0, 0.0)]):
        state = {name: ("earlier", step - 1, name) for name in first} if step else first
        requests.append(("denoise_step", one | state | {"t": now, "s": then, "step": step}))
    answers = ask(folder / "1", requests)
    sampler = samplers.Remasking(rule="confidence")
    np.testing.assert_array_equal(
        answers[-1]["tokens"],
        model.generate(2, labels=np.array([1, 0]), num_steps=3, sampler=sampler),
    )


@pytest.mark.one_backend
def test_what_a_request_may_not_ask(exported, ask):
    _, folder = exported("text")
    generate = STEPS | {"num_samples": 2, "length": LENGTH}
    infill = STEPS | {"tokens": [[0] * 4], "mask": [[True] * 4], "start_time": 0.0}
    infill_text = STEPS | {"text": ["a___b"], "start_time": 0.0}
    step = DRAW | {"tokens": [[0]], "t": 0.5, "s": 0.25, "step": 0, "start_time": 1.0}
    refused = [
        ("generate", generate | {"num_samples": 9}, "1 <= num_samples <= 8"),
        ("generate", generate | {"num_samples": 2**31 - 1}, "1 <= num_samples <= 8"),
        ("generate", generate | {"num_samples": 0}, "1 <= num_samples <= 8"),
        ("generate", generate | {"num_steps": 33}, "1 <= num_steps <= 32"),
        ("generate", generate | {"num_steps": -1}, "1 <= num_steps <= 32"),
        ("generate", generate | {"length": LENGTH + 1}, f"1 <= length <= {LENGTH}"),
        ("generate", generate | {"seed": -1}, "0 <= seed <= 4294967295"),
        ("generate", generate | {"temperature": -1.0}, "<= temperature"),
        ("generate", generate | {"temperature": 1e-5}, "<= 1e+30, or 0"),
        ("generate", generate | {"temperature": np.nan}, "<= temperature"),
        ("generate", generate | {"top_p": 0.0}, "0.0 < top_p <= 1.0"),
        ("generate", generate | {"time_grid": "linear"}, "one of: cosine, uniform"),
        ("infill", infill | {"tokens": [[6] * 4], "mask": [[True] * 3 + [False]]}, "[0, 5]"),
        ("infill", infill | {"mask": [[True] * 3]}, "the shape of tokens"),
        ("infill", infill | {"mask": [[False] * 4]}, "at least one gap"),
        ("infill", infill | {"start_time": 1.5}, "0.0 <= start_time <= 1.0"),
        ("infill_text", infill_text | {"text": ["abc"]}, "at least one gap"),
        ("infill_text", infill_text | {"text": ["a___b", "___"]}, "request of their own"),
        ("infill_text", infill_text | {"text": ["xy___"]}, "outside the alphabet"),
        ("infill_text", infill_text | {"text": [b"\xff___"]}, "outside the alphabet"),
        ("infill_text", infill_text | {"text": ["_" * 13]}, f"1 to {LENGTH} tokens"),
        ("infill_text", infill_text | {"text": ["_" * 10**6]}, "1 to 48 bytes"),
        ("infill_text", infill_text | {"text": [""]}, "1 to 48 bytes"),
        ("infill_text", infill_text | {"text": ["a___"] * 9}, "1 to 8"),
        ("infill_text", infill_text | {"text": ["a\U0010ffff___"]}, "outside the alphabet"),
        ("score_text", {"text": ["a\U0010ffff"], "seed": 0, "num_samples": 2}, "alphabet"),
        ("score", {"tokens": [[6]], "seed": 0, "num_samples": 2}, "[0, 5]"),
        ("score", {"tokens": [[0]] * 9, "seed": 0, "num_samples": 2}, "1 to 8"),
        ("score", {"tokens": np.zeros((0, 4)), "seed": 0, "num_samples": 2}, "1 to 8"),
        ("score", {"tokens": [[0]], "seed": 0, "num_samples": 17}, "2 <= num_samples <= 16"),
        ("score", {"tokens": [[0] * 13], "seed": 0, "num_samples": 2}, f"1 to {LENGTH} tokens"),
        ("serving_default", {"tokens": [[7]], "time": [0.5]}, "[0, 6]"),
        ("serving_default", {"tokens": [[-1]], "time": [0.5]}, "[0, 6]"),
        ("serving_default", {"tokens": [[0]], "time": [1.1]}, "0.0 <= time <= 1.0"),
        ("serving_default", {"tokens": [[0]], "time": [0.5, 0.5]}, "for each sample"),
        ("denoise_step", step | {"s": 0.75}, "Expected s <= t"),
        ("denoise_step", step | {"t": np.nan}, "0.0 <= t <= 1.0"),
        ("denoise_step", step | {"start_time": 0.4}, "Expected t <= start_time"),
        ("denoise_step", step | {"step": 33}, "0 <= step <= 32"),
    ]
    answers = ask(folder / "1", [(name, inputs) for name, inputs, _ in refused])
    for (name, inputs, words), answer in zip(refused, answers, strict=True):
        assert isinstance(answer, str) and words in answer, (name, inputs, answer)


@pytest.mark.one_backend
@pytest.mark.slow
def test_labels_are_checked(exported, ask):
    _, folder = exported("image")
    generate = STEPS | {"num_samples": 2, "labels": [0, 1], "guidance": 1.0}
    refused = [
        (generate | {"labels": [0, 4]}, "0 <= labels <= 3"),
        (generate | {"labels": [-1, 0]}, "0 <= labels <= 3"),
        (generate | {"labels": [0]}, "for each sample"),
        (generate | {"guidance": -1.0}, "<= guidance"),
    ]
    answers = ask(folder / "1", [("generate", inputs) for inputs, _ in refused])
    for (inputs, words), answer in zip(refused, answers, strict=True):
        assert isinstance(answer, str) and words in answer, (inputs, answer)


@pytest.mark.one_backend
def test_the_manifest_describes_the_signatures(exported):
    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    for name in ("text", "image", "bytes"):
        _, folder = exported(name)
        manifest = json.loads((folder / "1" / "assets.extra" / "manifest.json").read_text())
        saved = saved_model_pb2.SavedModel.FromString(
            (folder / "1" / "saved_model.pb").read_bytes()
        )
        found = dict(saved.meta_graphs[0].signature_def)
        found.pop("__saved_model_init_op")
        assert set(manifest["signatures"]) == set(found) <= set(SIGNATURES)
        for signature, described in manifest["signatures"].items():
            definition = found[signature]
            assert set(described["outputs"]) == set(definition.outputs)
            assert set(described["inputs"]) == set(definition.inputs)
            for name, entry in described["inputs"].items():
                info = definition.inputs[name]
                assert tf.as_dtype(info.dtype).name == entry["dtype"]
                shape = [None if d.size == -1 else d.size for d in info.tensor_shape.dim]
                assert shape == entry["shape"]
                default = definition.defaults.get(name)
                value = None if default is None else tf.make_ndarray(default).item()
                value = value.decode() if isinstance(value, bytes) else value
                assert value == entry.get("default")


@pytest.mark.one_backend
def test_the_warm_up_file_holds_requests_that_run(exported, ask):
    import tensorflow as tf
    from tensorflow_serving.apis import prediction_log_pb2

    for name in ("text", "image", "bytes"):
        _, folder = exported(name)
        file = folder / "1" / "assets.extra" / "tf_serving_warmup_requests"
        requests = []
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            log = prediction_log_pb2.PredictionLog.FromString(record)
            request = log.predict_log.request
            inputs = {key: tf.make_ndarray(value) for key, value in request.inputs.items()}
            requests.append((request.model_spec.signature_name, inputs))
        manifest = json.loads((folder / "1" / "assets.extra" / "manifest.json").read_text())
        assert [name for name, _ in requests] == list(manifest["signatures"])
        assert all(isinstance(answer, dict) for answer in ask(folder / "1", requests))
