"""The one place that asks which backend runs.

Each backend module has the steps of a model (`train_step`, `test_step`), `compile_function` with
`COMPILES_EACH_SHAPE`, and `keep_mask(seed, rate, shape)`: what dropout keeps, bool, each entry
with probability `1 - rate` (`seed`: a tensor `[2]` from a `SeedGenerator`). The others are what
JAX needs and the others get by without, or do in one way: `States`, which writes training states.
"""

import contextlib

import keras
import numpy as np

from md4keras.backend.npz_states import NpzStates

_BACKEND = keras.backend.backend()

if _BACKEND == "jax":
    from md4keras.backend import _jax as _module
elif _BACKEND == "tensorflow":
    from md4keras.backend import _tensorflow as _module
elif _BACKEND == "torch":
    from md4keras.backend import _torch as _module
else:
    raise ImportError(
        f"md4keras trains on JAX, TensorFlow or PyTorch. Received: KERAS_BACKEND={_BACKEND!r}. "
        "Set KERAS_BACKEND to 'jax', 'tensorflow' or 'torch' before importing keras."
    )


def _run_step(model, function, *args):
    """Runs a compiled step of Keras's trainer; returns its logs, and all that it returns."""
    logs = function(*args)
    return logs, logs


def _to_numpy(tensor) -> np.ndarray:
    """The values of a tensor or variable, on the host."""
    return np.asarray(keras.ops.convert_to_numpy(tensor))


NAME = _BACKEND
HAS_LAYOUTS = _BACKEND == "jax"
"""Whether `keras.distribution` lays out models over several devices here."""
check_devices = getattr(_module, "check_devices", lambda model: None)
COMPILES_EACH_SHAPE = _module.COMPILES_EACH_SHAPE
compile_function = _module.compile_function
jit_compile = getattr(_module, "jit_compile", lambda model: "auto")
keep_mask = _module.keep_mask
States = getattr(_module, "OrbaxStates", NpzStates)
# Elsewhere no two variables share a buffer, and a failed call leaves them as they were.
averages_kept_on_failure = getattr(
    _module, "averages_kept_on_failure", lambda model: contextlib.nullcontext()
)
release_shared_buffers = getattr(_module, "release_shared_buffers", lambda model: None)
keep_rows = getattr(_module, "keep_rows", lambda x, axis=0: x)
num_processes = getattr(_module, "num_processes", lambda: 1)
of_all_processes = getattr(_module, "of_all_processes", lambda values: np.asarray([values]))
parts_of_all = getattr(_module, "parts_of_all", lambda parts: parts)
process_number = getattr(_module, "process_number", lambda: 0)
start_processes = getattr(_module, "start_processes", None)
to_numpy = getattr(_module, "to_numpy", _to_numpy)
map_rows = getattr(_module, "map_rows", lambda function, rows, wholes: function(rows, wholes))
hold_variables = getattr(_module, "hold_variables", lambda model, *args: None)
# How many take parts of a batch that each knows whole, in a step of one process; which this is.
replicas = getattr(_module, "replicas", lambda: (1, 0))
remat = getattr(_module, "remat", lambda function, through_weights=False: keras.remat(function))
restore_variables = getattr(_module, "restore_variables", lambda model: None)
run_step = getattr(_module, "run_step", _run_step)
test_step = _module.test_step
track_variables = getattr(_module, "track_variables", lambda model: None)
train_step = _module.train_step
