"""lm-evaluation-harness asks a model of a Markov chain: local tasks whose results are known."""

import json
import math
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from lm_eval import evaluate, simple_evaluate
from lm_eval.api.instance import Instance
from lm_eval.api.registry import get_model
from lm_eval.tasks import TaskManager

from md4keras import MD4
from md4keras.evaluation.answers import answer_likelihood, multiple_choice
from md4keras.evaluation.harness import GENERATION, Harness
from md4keras.evaluation.rolling import rolling_likelihood
from md4keras.tokenizers import CharacterTokenizer
from tests.evaluation.chains import ALPHABET, Chain
from tests.models.tabular import FixedLogits
from tests.reference import ROOT
from tests.tiny_models import save_text_model

pytestmark = pytest.mark.one_backend

WINDOW, HOW = 8, {"num_samples": 64, "seed": 3}
CHOICES = {
    "output_type": "multiple_choice",
    "doc_to_text": "{{prompt}}",
    "doc_to_choice": "{{choices}}",
    "doc_to_target": "{{gold}}",
    "target_delimiter": "",
    "num_fewshot": 0,
    "metric_list": [{"metric": name} for name in ("acc", "acc_norm")],
}
ROLLING = {
    "output_type": "loglikelihood_rolling",
    "doc_to_text": "",
    "doc_to_target": "{{text}}",
    "num_fewshot": 0,
    "metric_list": [{"metric": name} for name in ("word_perplexity", "bits_per_byte")],
}
GENERATED = {
    "output_type": "generate_until",
    "doc_to_text": "{{prompt}}",
    "doc_to_target": "{{answer}}",
    "target_delimiter": "",
    "num_fewshot": 0,
    "generation_kwargs": {"until": ["d"], "max_gen_toks": 4, "do_sample": False},
    "metric_list": [{"metric": "exact_match"}],
}


@pytest.fixture(scope="module")
def chain():
    return Chain(WINDOW)


@pytest.fixture(scope="module")
def documents(chain):
    """What the tasks ask, by the task's name; of the generated texts a half has another answer."""
    texts = chain.texts(8, 24, seed=5)
    greedy = [chain.likeliest_first(text, 4).split("d")[0] for text in texts]
    pairs = list(enumerate(zip(texts, greedy, strict=True)))
    return {
        "choices": [
            {"prompt": t[:12], "choices": [t[12:14], "ca", "eee"], "gold": i % 2}
            for i, (t, _) in pairs
        ],
        "rolling": [{"text": t[: 24 - 3 * i] if i % 2 else f"{t[:5]}"} for i, (t, _) in pairs],
        "generated": [{"prompt": t, "answer": g if i % 2 else g + "?"} for i, (t, g) in pairs],
    }


@pytest.fixture(scope="module")
def tasks(documents, tmp_path_factory):
    """The tasks' folder: a YAML file and JSON lines each; they are read without a network."""
    folder = tmp_path_factory.mktemp("tasks")
    for name, task in (("choices", CHOICES), ("rolling", ROLLING), ("generated", GENERATED)):
        lines = "\n".join(map(json.dumps, documents[name]))
        (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        files = {"data_files": {"test": str(folder / f"{name}.jsonl")}}
        files["cache_dir"] = str(folder / "cache")
        task = {"task": f"chain_{name}", "dataset_path": "json", "test_split": "test", **task}
        text = yaml.safe_dump({**task, "dataset_kwargs": files})
        (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def results(chain, tasks):
    names = ["chain_choices", "chain_rolling", "chain_generated"]
    manager = TaskManager(include_path=str(tasks), include_defaults=False)
    with pytest.MonkeyPatch.context() as patch:  # in several parts, of 24 continuations
        patch.setattr("md4keras.evaluation.harness._PART", 7)
        return evaluate(Harness(chain.model, **HOW), manager.load(names), bootstrap_iters=0)


def requests(kind, *arguments):
    return [Instance(kind, {}, each, number) for number, each in enumerate(arguments)]


def test_choices_are_those_of_the_library(chain, documents, results):
    docs = documents["choices"]
    questions = [(doc["prompt"], doc["choices"]) for doc in docs]
    gold = np.array([doc["gold"] for doc in docs])
    for metric, unit in (("acc", "none"), ("acc_norm", "character")):
        found = multiple_choice(chain.model, questions, unit, end=False, **HOW)
        right = np.mean(found.chosen == gold)
        assert results["results"]["chain_choices"][f"{metric},none"] == pytest.approx(right)
        assert 0 < right < 1
    asked = results["samples"]["chain_choices"]
    values = [[float(value) for ((value, _),) in s["resps"]] for s in asked]
    np.testing.assert_allclose(values, -np.array(found.nats), rtol=1e-5)
    exact = [[chain.nats(c, prompt) for c in choices] for prompt, choices in questions]
    assert (np.abs(np.array(found.nats) - exact) < 5 * np.array(found.error) + 1e-3).all()


def test_greedy_is_told_of_each_continuation(chain, documents, results):
    for sample in results["samples"]["chain_choices"]:
        doc = sample["doc"]
        for choice, ((_, greedy),) in zip(doc["choices"], sample["resps"], strict=True):
            assert (str(greedy) == "True") == (
                choice == chain.likeliest_first(doc["prompt"], len(choice))
            )
    model, prompt = Harness(chain.model, num_samples=2), documents["choices"][0]["prompt"]
    answers = [chain.likeliest_first(prompt, n) for n in (1, 2, 3)]
    found = model.loglikelihood(requests("loglikelihood", *((prompt, a) for a in answers)))
    assert [greedy for _, greedy in found] == [True] * 3


def test_perplexities_are_those_of_the_library(chain, documents, results):
    texts = [doc["text"] for doc in documents["rolling"]]
    found = rolling_likelihood(chain.model, texts, **HOW)
    told = results["results"]["chain_rolling"]
    bits = found.nats.sum() / sum(map(len, texts)) / math.log(2)
    assert told["bits_per_byte,none"] == pytest.approx(bits, rel=1e-5)
    words = math.exp(found.nats.mean())  # no spaces: each text is one word
    assert told["word_perplexity,none"] == pytest.approx(words, rel=1e-5)
    exact = np.array([chain.nats(text) for text in texts])
    assert (np.abs(found.nats - exact) < 5 * found.error + 1e-3).all()


def test_generated_texts_are_the_likeliest_first(documents, results):
    """Half of the answers are known exactly, the other half are never given."""
    asked = results["samples"]["chain_generated"]
    for doc, sample in zip(documents["generated"], asked, strict=True):
        assert sample["resps"][0][0] == doc["answer"].rstrip("?")
    assert results["results"]["chain_generated"]["exact_match,none"] == 0.5


@pytest.mark.slow
def test_a_saved_model_is_made_of_the_arguments_of_a_command(tmp_path):
    save_text_model(tmp_path)
    model = get_model("md4keras").create_from_arg_string(
        f"model={tmp_path},num_samples=4,stride=3", {"batch_size": 8}
    )
    told = {"num_samples": 4, "seed": 0, "window": 16, "stride": 3, "end_token": False}
    assert model.get_model_info() == {f"md4keras_{name}": x for name, x in told.items()}
    assert model.batch_size == 8


def test_a_model_is_made_of_arguments(chain):
    """`lm_eval`'s own batch size of 1 and its device, which are always there, do not count."""
    for arguments, batch_size, expected in (
        ({}, 1, (128, 64, 4)),
        ({}, 16, (128, 16, 4)),
        ({"num_samples": 4, "batch_size": 8}, "16", (4, 8, 4)),
        ({"stride": 8}, "auto:4", (128, 64, 8)),
    ):
        added = {"batch_size": batch_size, "device": "cuda:0", "max_batch_size": None}
        model = get_model("md4keras").create_from_arg_obj(
            {"model": chain.model, **arguments}, added
        )
        assert (model.num_samples, model.batch_size, model.stride) == expected


@pytest.fixture
def ask(chain):
    """A function that asks for four texts for each of some settings."""
    harness = Harness(chain.model, batch_size=4)

    def texts(*settings, seed=2):
        harness.seed = seed
        alike = [each | {"num_steps": 3} for each in settings for _ in range(4)]
        asked = requests("generate_until", *(("abcdefgh", each) for each in alike))
        return harness.generate_until(asked, disable_tqdm=True)

    return texts


def test_settings_of_a_generation_are_kept(ask):
    sampled = {"do_sample": True, "max_gen_toks": 6}
    drawn = ask(sampled, sampled)
    assert len(set(drawn)) > 4 and {len(text) for text in drawn} == {6}  # samples of their own
    assert drawn == ask(sampled, sampled)
    assert drawn != ask(sampled, sampled, seed=3)
    stop = drawn[0][2]
    assert ask(sampled | {"until": stop}) == [text.split(stop)[0] for text in drawn[:4]]


@pytest.mark.slow
def test_temperatures_and_filters_of_a_generation_are_kept(chain, ask):
    cold = {"temperature": 0.001, "max_tokens": 1}  # sampled, as the temperature says
    greedy = {"temperature": 0.0, "max_tokens": 1}
    top = {"do_sample": True, "top_k": 1, "max_gen_toks": 1}
    assert ask(cold, greedy, top) == [chain.likeliest_first("h", 1)] * 12


def test_spaces_before_a_continuation_belong_to_it_where_words_have_them(chain, monkeypatch):
    harness, how = Harness(chain.model, num_samples=4), {"num_samples": 4, "end": False}
    monkeypatch.setattr(chain.model, "tokenizer", CharacterTokenizer(ALPHABET[:-1] + " "))
    for joins in (False, True):
        monkeypatch.setattr(CharacterTokenizer, "joins_spaces", joins)
        ((found, _),) = harness.loglikelihood(requests("loglikelihood", ("abcdefga ", "c")))
        pair = ("abcdefga", " c") if joins else ("abcdefga ", "c")
        assert found == pytest.approx(-answer_likelihood(chain.model, [pair], **how).nats[0])


def test_a_long_context_is_told(chain, caplog):
    harness = Harness(chain.model, num_samples=2)
    harness.loglikelihood(requests("loglikelihood", ("abcdefgh", "a"), ("abcdefg", "a")))
    assert "1 of 2 contexts are longer than the model" in caplog.text
    caplog.clear()
    one = {"max_gen_toks": 1, "num_steps": 3}
    asked = requests("generate_until", ("abcdefgh", one), ("abcdefg", one))
    assert [len(text) for text in harness.generate_until(asked)] == [1, 1]
    assert "1 of 2 contexts" in caplog.text


def test_an_empty_text_costs_nothing(chain):
    harness = Harness(chain.model, num_samples=2)
    assert harness.loglikelihood_rolling(requests("loglikelihood_rolling", ("",))) == [0.0]
    first, second = harness.loglikelihood_rolling(
        requests("loglikelihood_rolling", ("",), ("abc",))
    )
    assert first == 0.0 > second
    assert harness.loglikelihood([]) == harness.generate_until([]) == []


def test_an_interrupted_run_keeps_the_texts_that_are_scored(chain, monkeypatch):
    """`lm_eval`'s cache is told of each part before the next one is scored."""

    class Cache:
        kept = []

        def add_partial(self, kind, arguments, result):
            self.kept.append((kind, arguments, result))

    harness = Harness(chain.model, num_samples=2)
    harness.set_cache_hook(Cache())
    monkeypatch.setattr("md4keras.evaluation.rolling.PART", 2)
    texts = [("abc",), ("",), ("ag",), ("ga",)]
    asked = requests("loglikelihood_rolling", *texts)
    found = harness.loglikelihood_rolling(asked, disable_tqdm=True)
    kept = [("loglikelihood_rolling", texts[i], found[i]) for i in (0, 2, 3)]
    assert Cache.kept == kept
    Cache.kept.clear()
    steps = iter([chain.model.draw_steps])  # one part, and then the end
    monkeypatch.setattr(chain.model, "draw_steps", lambda *args: next(steps)(*args))
    with pytest.raises(RuntimeError):
        harness.loglikelihood_rolling(asked, disable_tqdm=True)
    assert Cache.kept == kept[:2]


def test_end_tokens_are_scored_where_asked_for(chain, monkeypatch):
    monkeypatch.setattr(chain.model, "tokenizer", CharacterTokenizer(ALPHABET[:-1], end_token=True))
    asked = requests("loglikelihood", ("abcdefg", "fg"))
    for end in (False, True):
        ((found, _),) = Harness(chain.model, 4, end_token=end).loglikelihood(asked)
        expected = answer_likelihood(chain.model, [("abcdefg", "fg")], end, num_samples=4)
        assert found == pytest.approx(-expected.nats[0])
        assert expected.tokens[0] == 2 + end


def test_what_cannot_be_asked_is_refused(chain):
    def model(**attributes):
        found = MD4(FixedLogits(np.zeros(8), WINDOW))
        found.tokenizer = CharacterTokenizer(ALPHABET)
        for name, value in attributes.items():
            setattr(found if name == "tokenizer" else found.network, name, value)
        return found

    for bad, fault in (
        (model(tokenizer=None), "needs a tokenizer"),
        (model(data_shape=(4, 4, 1)), "Expected a model of sequences without classes"),
        (model(num_classes=10), "Expected a model of sequences without classes"),
        (7, "not a model"),
    ):
        with pytest.raises(ValueError, match=f"{fault}.*Received"):
            Harness(bad)
    for arguments in (
        {"num_samples": 1},
        {"seed": -1},
        {"batch_size": 0},
        {"stride": 9},
    ):
        with pytest.raises(ValueError, match=f"{[*arguments][0]}.*Expected.*Received"):
            Harness(chain.model, **arguments)
    for text in ("", "num_samples=2", "model=somewhere,pretrained=gpt2"):
        with pytest.raises(ValueError, match="not the arguments of a model.*Received"):
            Harness.create_from_arg_string(text)
    for settings, fault in (
        ({"top_n": 3, "best_of": 2}, r"Unknown settings.*\['best_of', 'top_n'\]"),
        ({"max_gen_toks": 0}, "`max_gen_toks` cannot be used"),
        ({"max_gen_toks": "abc"}, "Settings of a generation cannot be read.*'abc'"),
        ({"until": [3]}, r"Settings of a generation cannot be read.*Expected strings.*\[3\]"),
        (None, "Unknown settings of a generation.*Received: None"),
        ({"block_length": 0}, "`block_length` cannot be used"),
        ({"do_sample": True, "temperature": -1.0}, "`temperature` cannot be used"),
    ):
        with pytest.raises(ValueError, match=fault):
            Harness(chain.model).generate_until(requests("generate_until", ("ab", settings)))
    for kind, arguments in (
        ("loglikelihood", (None, "a")),
        ("loglikelihood", ("a", 5)),
        ("loglikelihood_rolling", (None,)),
        ("generate_until", (None, {})),
    ):
        with pytest.raises(ValueError, match="This request has no text.*Expected.*Received: args"):
            getattr(Harness(chain.model), kind)(requests(kind, arguments))
    assert {"until", "max_gen_toks", "do_sample", "temperature"} < set(GENERATION)


def test_nothing_else_needs_lm_eval(monkeypatch):
    """No other file imports it, or the file that does, which says what to install."""
    place = Path("md4keras", "evaluation", "harness.py")
    others = [path for path in (ROOT / "md4keras").rglob("*.py") if path != ROOT / place]
    texts = [path.read_text(encoding="utf-8") for path in others]
    assert len(texts) > 100
    assert not [
        text for text in texts if re.search(r"lm_eval|evaluation(\.| import.*)harness", text)
    ]
    monkeypatch.setitem(sys.modules, "lm_eval.api.model", None)
    with pytest.raises(ImportError, match=r"pip install md4keras\[eval\]"):
        runpy.run_path(str(ROOT / place))


@pytest.mark.slow
def test_lm_eval_finds_a_saved_model_by_name(tasks, tmp_path):
    model = save_text_model(tmp_path)
    found = simple_evaluate(
        "md4keras",
        model_args=f"model={tmp_path},num_samples=2",
        tasks=["chain_choices"],
        limit=2,
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
    )
    asked = found["samples"]["chain_choices"]
    pairs = [(s["doc"]["prompt"], choice) for s in asked for choice in s["doc"]["choices"]]
    expected = answer_likelihood(model, pairs, num_samples=2)
    values = [float(value) for s in asked for ((value, _),) in s["resps"]]
    np.testing.assert_allclose(values, -expected.nats, rtol=1e-4)
    assert found["config"]["md4keras_num_samples"] == 2


@pytest.mark.slow
def test_the_command_evaluates_a_saved_model(tasks, tmp_path):
    save_text_model(tmp_path / "model")
    words = ["--model", "md4keras", "--model_args", f"model={tmp_path / 'model'},num_samples=2"]
    words += ["--tasks", "chain_choices,chain_rolling,chain_generated", "--limit", "2"]
    words += ["--include_path", str(tasks), "--output_path", str(tmp_path / "results")]
    words += ["--gen_kwargs", "num_steps=2", "--batch_size", "8"]
    offline = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    program = [sys.executable, "-m", "md4keras.evaluation.harness", *words]
    found = subprocess.run(
        program, cwd=ROOT, env={**os.environ, **offline}, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr
    assert "bits_per_byte" in found.stdout
    (path,) = (tmp_path / "results").rglob("results_*.json")
    told = json.loads(path.read_text(encoding="utf-8"))
    assert told["config"]["md4keras_num_samples"] == 2
    assert set(told["results"]) == {"chain_choices", "chain_rolling", "chain_generated"}
