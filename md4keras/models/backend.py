"""The one place that asks which backend runs: its training step and its way to compile.

Each backend module has a `TrainStep` mixin (`train_step`, `test_step`, `release_shared_buffers`)
and `compile_function`.
"""

import keras

_BACKEND = keras.backend.backend()

if _BACKEND == "jax":
    from md4keras.models._jax import TrainStep, compile_function
elif _BACKEND == "tensorflow":
    from md4keras.models._tensorflow import TrainStep, compile_function
elif _BACKEND == "torch":
    from md4keras.models._torch import TrainStep, compile_function
else:
    raise ImportError(
        f"md4keras trains on JAX, TensorFlow or PyTorch. Received: KERAS_BACKEND={_BACKEND!r}. "
        "Set KERAS_BACKEND to 'jax', 'tensorflow' or 'torch' before importing keras."
    )

__all__ = ["TrainStep", "compile_function"]
