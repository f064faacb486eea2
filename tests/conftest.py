"""The start of every test: a backend, and the same random state.

And what keeps a run short: nothing is compiled twice, and no processor is wanted twice.
"""

import gc
import itertools
import os
import pathlib
import shutil
import signal
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # started in the background by a script
    signal.signal(signal.SIGINT, signal.default_int_handler)  # tests interrupt what they start

# Most of the time on JAX is LLVM's, for programs that run milliseconds: it gets simpler ones
# and optimises them less. (What XLA decides, such as memory and what is fused, is as ever. Level 0
# takes a fifth less time, but goes through LLVM's less trodden paths on each kind of processor.)
os.environ["XLA_FLAGS"] = " ".join(
    [
        "--xla_backend_optimization_level=1 --xla_cpu_use_fusion_emitters=false",
        os.environ.get("XLA_FLAGS", ""),
    ]
)

if "PYTEST_XDIST_WORKER" in os.environ:  # one of several processes
    # PyTorch's threads wait in busy loops: more of them than processors take several times as long.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
else:
    # On JAX most of the time goes into compiling programs, many of them the same in several tests
    # and processes. The folder is this run's own, so that it tests what it has compiled itself.
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="md4keras-tests-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"

import keras
import pytest

from tests.slow_cases import SLOW_CASES, SLOW_CASES_OF

if keras.backend.backend() == "jax":
    from jax._src.lru_cache import LRUCache

    def put_whole(cache, key: str, program: bytes) -> None:
        """Another process reads an entry once it is whole; half of one is a warning of JAX's."""
        entry = pathlib.Path(cache.path, f"{key}-cache")
        own = entry.with_name(f"{os.getpid()}-{key}")
        own.write_bytes(program)
        own.replace(entry)

    LRUCache.put = put_whole

LONGEST = (
    "test_saved_model.py",
    "test_pages.py",
    "test_recipes.py",
    "test_markov.py",
    "test_limits.py",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Marks the slow cases. The longest tests first: none is left to one of two processes."""
    slow = SLOW_CASES | SLOW_CASES_OF.get(keras.backend.backend(), set())
    for item in items:
        if f"{item.path.name}::{item.name}" in slow:
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.path.name not in LONGEST)


def pytest_unconfigure():
    if "PYTEST_XDIST_WORKER" not in os.environ:
        shutil.rmtree(os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)


_tests = itertools.count(1)


@pytest.fixture(autouse=True)
def garbage_of_its_own():
    """Within a test, garbage is looked for among its own objects alone.

    Keras looks for it at each layer that it quantizes, and a run holds millions of objects. A
    model that a test has left is garbage in cycles, with its programs.
    """
    if next(_tests) % 400 == 0:
        gc.unfreeze()  # for what the tests of a file have shared
    _forget_gradients()
    gc.collect()
    gc.freeze()


def _forget_gradients():
    """TensorFlow keeps each custom gradient for ever, and with it the graphs of its step."""
    if keras.backend.backend() == "tensorflow":
        from tensorflow.python.framework.ops import gradient_registry

        for name in list(gradient_registry.list()):
            if name.startswith("CustomGradient-"):
                del gradient_registry._registry[name]


@pytest.fixture(scope="module", autouse=True)
def fresh_state_of_a_module():
    """What the tests of a file share does not depend on which tests ran before."""
    _refresh()


@pytest.fixture(autouse=True)
def fresh_state():
    """Names and seeds do not depend on which tests ran before."""
    _refresh()


def _refresh():
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
