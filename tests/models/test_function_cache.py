"""The cache of compiled functions: few, shared by threads, and no part of the model."""

import copy
import itertools
import pickle
import threading

import numpy as np
import pytest

from md4keras import MD4, samplers
from md4keras.models.function_cache import FunctionCache
from md4keras.networks import Transformer
from tests.models.weights import randomised


@pytest.fixture
def model():
    return randomised(MD4(Transformer(5, 6, num_layers=1, num_heads=2, feature_dim=8)))


def test_what_was_used_last_is_kept():
    kept, made = FunctionCache(2), itertools.count()
    keys = ["a", "b", "a", "c", "a", "b"]
    assert [kept.get(key, lambda: next(made)) for key in keys] == [0, 1, 0, 2, 0, 3]
    assert len(kept) == 2


def test_what_cannot_be_made_leaves_no_trace():
    kept = FunctionCache(2)
    with pytest.raises(ZeroDivisionError):
        kept.get("a", lambda: 1 // 0)
    assert len(kept) == 0 and kept.get("a", lambda: 1) == 1


def test_threads_make_each_thing_once():
    kept, made, errors = FunctionCache(10), [], []
    start = threading.Barrier(8)

    def work():
        start.wait()
        try:
            for turn in range(2000):
                key = turn % 10
                assert kept.get(key, lambda key=key: made.append(key) or key) == key
        except Exception as error:  # noqa: BLE001 (it would end in its thread unseen)
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors and sorted(made) == list(range(10)) and len(kept) == 10


@pytest.mark.slow
def test_a_model_keeps_the_samplers_used_last(model):
    """What was compiled for a sampler is used again, and does not pile up."""
    made = []

    class Counted(samplers.Ancestral):
        def make_process(self, model):
            made.append(self)
            return super().make_process(model)

    used = [Counted(filters=samplers.TopK(k)) for k in range(1, 41)]
    for sampler in (*used, used[-1]):
        model.generate(1, sampler=sampler, num_steps=1)
    assert made == used
    model.generate(1, sampler=used[0], num_steps=1)  # 40 are more than are kept
    assert made[40:] == [used[0]] and len(model._functions) == 32


def test_threads_draw_from_one_model_what_each_would_alone(model):
    wanted = [model.generate(2, num_steps=3, seed=seed, sampler="event") for seed in range(4)]
    model = copy.deepcopy(model)  # nothing is compiled yet
    found = [None] * 4

    def draw(seed):
        found[seed] = model.generate(2, num_steps=3, seed=seed, sampler="event")

    threads = [threading.Thread(target=draw, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))],
    ids=["copy", "pickle"],
)
def test_a_model_that_has_sampled_is_copied(copied, model):
    tokens = model.generate(2, num_steps=3)
    np.testing.assert_array_equal(copied(model).generate(2, num_steps=3), tokens)
