"""The one place that asks which backend runs.

Each backend module has a `TrainStep` mixin (`train_step`, `test_step`, `release_shared_buffers`),
`compile_function`, `remat` and `keep_mask`.
"""

import keras

_BACKEND = keras.backend.backend()

if _BACKEND == "jax":
    from md4keras.backend._jax import TrainStep, compile_function, keep_mask, remat
elif _BACKEND == "tensorflow":
    from md4keras.backend._tensorflow import TrainStep, compile_function, keep_mask, remat
elif _BACKEND == "torch":
    from md4keras.backend._torch import TrainStep, compile_function, keep_mask, remat
else:
    raise ImportError(
        f"md4keras trains on JAX, TensorFlow or PyTorch. Received: KERAS_BACKEND={_BACKEND!r}. "
        "Set KERAS_BACKEND to 'jax', 'tensorflow' or 'torch' before importing keras."
    )

__all__ = ["TrainStep", "compile_function", "keep_mask", "remat"]
