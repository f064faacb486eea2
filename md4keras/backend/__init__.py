"""The one place that asks which backend runs.

Each backend module has the steps of a model (`train_step`, `test_step`), the end of its `fit`
(`release_shared_buffers`), `compile_function` with `COMPILES_EACH_SHAPE`, `remat`, and
`keep_mask(seed, rate, shape)`: what dropout keeps, bool, each entry with probability `1 - rate`
(`seed`: a tensor `[2]` from a `SeedGenerator`).
"""

import keras

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

COMPILES_EACH_SHAPE = _module.COMPILES_EACH_SHAPE
compile_function = _module.compile_function
keep_mask = _module.keep_mask
# Here the others need nothing of JAX's care: no two of their variables share a buffer.
release_shared_buffers = getattr(_module, "release_shared_buffers", lambda model: None)
remat = getattr(_module, "remat", lambda function, through_weights=False: keras.remat(function))
test_step = _module.test_step
train_step = _module.train_step
