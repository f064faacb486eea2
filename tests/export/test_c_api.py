"""Through TensorFlow's C API, the path that TensorFlow Serving takes: no Python of TensorFlow's."""

import json
from pathlib import Path

import numpy as np
import pytest

# In one process: the exports are shared.
pytestmark = [pytest.mark.one_backend, pytest.mark.xdist_group("export")]

INVALID_ARGUMENT = 3
C_API = Path(__file__).with_name("c_api.py")
STEPS = {"seed": 5, "num_steps": 6, "time_grid": "cosine", "temperature": 1.0, "top_p": 1.0}
DTYPES = {1: "f4", 3: "i4", 7: object, 9: "i8", 10: "?"}  # by the number of the type


def named(version, signature, inputs):
    """A request by the names of tensors in the graph, as a server forms it."""
    from tensorflow.core.protobuf import saved_model_pb2

    saved = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    definition = saved.meta_graphs[0].signature_def[signature]
    feeds = {}
    for name, value in inputs.items():
        info = definition.inputs[name]
        value = np.asarray(value)
        if value.dtype.kind == "U":
            value = np.vectorize(str.encode, otypes=[object])(value)
        feeds[info.name] = value.astype(DTYPES[info.dtype])
    return feeds, {name: info.name for name, info in definition.outputs.items()}


def test_all_signatures_run_and_bad_requests_come_back_as_a_status(exported, ask):
    model, folder = exported("text")
    version = folder / "1"
    generate = STEPS | {"num_samples": 3, "length": 12}
    infill = STEPS | {"tokens": [[0] * 4], "mask": [[True] * 4], "start_time": 0.0}
    requests = {
        "serving_default": {"tokens": [[0, 6, 2]], "time": [0.5]},
        "denoise_step": {"tokens": [[0, 6, 2]], "t": 0.5, "s": 0.25, "start_time": 1.0}
        | {"step": 0, "seed": 0, "temperature": 1.0, "top_p": 1.0},
        "generate": generate,
        "infill": infill,
        "score": {"tokens": [[0, 1]], "seed": 0, "num_samples": 4},
        "generate_text": generate,
        "infill_text": STEPS | {"text": ["a___b"], "start_time": 0.0},
        "score_text": {"text": ["abc"], "seed": 0, "num_samples": 4},
    }
    manifest = json.loads((version / "assets.extra" / "manifest.json").read_text())
    assert set(requests) == set(manifest["signatures"])
    bad = [
        ("generate", generate | {"num_samples": 9}, "num_samples"),
        ("generate", generate | {"num_steps": 10**6}, "num_steps"),
        ("generate", generate | {"length": 13}, "length"),
        ("infill", infill | {"tokens": [[6] * 4], "mask": [[False] * 3 + [True]]}, "vocabulary"),
        ("infill_text", STEPS | {"text": ["xyz___"], "start_time": 0.0}, "alphabet"),
        ("serving_default", {"tokens": [[9]], "time": [0.5]}, "vocabulary"),
        ("generate", generate | {"num_samples": [1, 2]}, "expected shape []"),
        ("generate", generate | {"temperature": [1.0]}, "expected shape []"),
        ("generate", generate | {"time_grid": "x" * 10**6}, "one of: cosine, uniform"),
        ("serving_default", {"tokens": [0], "time": [0.5]}, "expected shape [?,?]"),
    ]
    asked = [named(version, name, inputs) for name, inputs in requests.items()]
    # Bad ones in between: the process lives on, and answers the same afterwards.
    asked += [named(version, name, inputs) for name, inputs, _ in bad] + asked[2:3]
    answers = ask(version, asked, C_API)
    good = dict(zip(requests, answers, strict=False))
    assert all(isinstance(answer, dict) for answer in good.values())
    expected = model.generate(3, seed=5, num_steps=6)
    np.testing.assert_array_equal(good["generate"]["tokens"], expected)
    np.testing.assert_array_equal(answers[-1]["tokens"], expected)
    texts = [text.decode() for text in good["generate_text"]["text"]]
    assert texts == model.tokenizer.decode(expected)
    logits = np.asarray(model.predict_logits(np.array([[0, 6, 2]]), 0.5))
    np.testing.assert_allclose(good["serving_default"]["logits"], logits, atol=1e-5)
    for (name, inputs, word), answer in zip(bad, answers[len(requests) : -1], strict=True):
        assert isinstance(answer, tuple), (name, inputs)
        code, message = answer
        assert code == INVALID_ARGUMENT and word in message, (name, inputs, message)


@pytest.mark.slow
def test_images_of_another_size_are_refused_before_the_network_runs(exported, ask):
    """The server does not compare what it is sent with a signature's shapes; the graph does."""
    _, folder = exported("image")
    labels = {"labels": [0]}
    draw = STEPS | labels | {"guidance": 1.0, "start_time": 0.0}
    large, mask = np.zeros((1, 512, 512, 1)), np.ones((1, 512, 512, 1), bool)
    bad = [
        ("serving_default", labels | {"tokens": large, "time": [0.5]}),
        ("infill", draw | {"tokens": large, "mask": mask}),
        ("score", labels | {"tokens": large, "seed": 0, "num_samples": 2}),
        ("score", {"tokens": large[:, :4, :4], "labels": [[0]], "seed": 0, "num_samples": 2}),
    ]
    asked = [named(folder / "1", name, inputs) for name, inputs in bad]
    for (name, _), answer in zip(bad, ask(folder / "1", asked, C_API), strict=True):
        assert isinstance(answer, tuple), name
        assert answer[0] == INVALID_ARGUMENT and "expected shape" in answer[1], answer
