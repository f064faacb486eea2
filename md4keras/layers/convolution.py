"""A convolution whose kernel may be held in 8 or 4 bits, as Keras has it of dense layers alone."""

import keras
import numpy as np
from keras import ops, quantizers

from md4keras import backend
from md4keras.layers.policies import policy_of


@keras.saving.register_keras_serializable(package="md4keras")
class Conv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` with `quantize("int8")` and `quantize("int4")`.

    The kernel alone is rounded, and multiplied out again where it is used; inputs are not. In int8
    each filter has a scale. In int4 two numbers share a byte, and each filter has a scale and a
    zero for every `block_size` of its numbers, as Keras's dense layers have in int4. Adapters
    (`enable_lora`) are added to what was multiplied out.

    The arguments and calls are those of `keras.layers.Conv2D`.

    Example:

    >>> layer = md4keras.layers.Conv2D(filters=4, kernel_size=3)
    >>> tuple(layer(np.ones((2, 5, 5, 3))).shape)
    (2, 3, 3, 4)
    >>> layer.quantize("int8")
    >>> tuple(layer.kernel_scale.shape)
    (4,)
    """

    def build(self, x_shape):
        super().build(x_shape)
        if self.quantization_mode is not None:
            self._hold(self.quantization_mode, getattr(policy_of(self), "block_size", None))

    @property
    def kernel(self):
        kernel = self._kernel if self.quantization_mode is None else self._multiplied_out()
        if not self.lora_enabled:
            return kernel
        change = ops.matmul(self.lora_kernel_a, self.lora_kernel_b)
        kernel = ops.add(kernel, (self.lora_alpha / self.lora_rank) * change)
        return ops.cast(kernel, self.compute_dtype)

    def quantize(self, mode=None, type_check=True, config=None):
        """Rounds the kernel; Keras calls it once, of a built layer."""
        if mode not in ("int8", "int4"):
            raise self._quantization_mode_error(mode)
        kernel = backend.to_numpy(self._kernel)
        self._hold(mode, getattr(config, "block_size", None))
        for variable, value in zip(self._held, self._rounded(kernel, mode), strict=True):
            variable.assign(value)
        name = mode if mode == "int8" else f"int4/{self._block_size or -1}"
        self.dtype_policy = f"{name}_from_{policy_of(self).name}"

    def _hold(self, mode: str, block_size: int | None) -> None:
        """Has variables of few bits in place of the kernel."""
        self._block_size = block_size if block_size and block_size > 0 else None
        *inputs, filters = self._kernel.shape
        self._untrack_variable(self._kernel)
        columns = filters if mode == "int8" else -(-filters // 2)
        held = {"trainable": False, "initializer": "zeros", "dtype": "int8"}
        self._kernel = self.add_weight(name="kernel", shape=(*inputs, columns), **held)
        shape = (filters,)
        if mode == "int4" and self._block_size:
            shape = (-(-int(np.prod(inputs)) // self._block_size), filters)  # [groups, filters]
            self.kernel_zero = self.add_weight(name="kernel_zero", shape=shape, **held)
        self.kernel_scale = self.add_weight(
            name="kernel_scale", shape=shape, initializer="ones", trainable=False
        )
        self._is_quantized = True

    @property
    def _held(self) -> list:
        zero = [self.kernel_zero] if hasattr(self, "kernel_zero") else []
        return [self._kernel, self.kernel_scale, *zero]

    def _rounded(self, kernel: np.ndarray, mode: str) -> list:
        """The values of `_held` for a kernel."""
        matrix = kernel.astype("float32").reshape(-1, self.filters)  # [inputs, filters]
        if mode == "int4" and self._block_size:
            values, scale, *zero = quantizers.abs_max_quantize_grouped_with_zero_point(
                matrix, self._block_size, to_numpy=True
            )
        else:
            most = (-127, 127) if mode == "int8" else (-8, 7)
            values, scale = quantizers.abs_max_quantize(matrix, 0, most, "int8", to_numpy=True)
            scale, zero = scale[0], []
        if mode == "int4":
            values, _, _ = quantizers.pack_int4(values, axis=-1)
        return [ops.reshape(values, self._kernel.shape), scale, *zero]

    def _multiplied_out(self):
        """The kernel that the few bits stand for."""
        values = self._kernel
        if self.quantization_mode == "int4":
            values = quantizers.unpack_int4(values, self.filters, axis=-1)
        shape = (*self._kernel.shape[:-1], self.filters)
        values = ops.reshape(ops.cast(values, "float32"), (-1, self.filters))
        scale = ops.cast(self.kernel_scale, "float32")
        if self.quantization_mode == "int4" and self._block_size:
            group = np.arange(int(np.prod(shape[:-1]))) // self._block_size  # [inputs]
            zero = ops.cast(self.kernel_zero, "float32")
            kernel = (values - ops.take(zero, group, axis=0)) * ops.take(scale, group, axis=0)
        else:
            kernel = values / scale
        return ops.cast(ops.reshape(kernel, shape), self.compute_dtype)

    def call(self, inputs):
        return super().call(inputs)  # which takes `kernel`

    _int8_call = _int4_call = call

    def save_own_variables(self, store):
        if self.quantization_mode is None or not self.built:
            super().save_own_variables(store)
            return
        values = self._held
        if self.lora_enabled:  # as Keras does: their sum, rounded again
            values = self._rounded(backend.to_numpy(self.kernel), self.quantization_mode)
        bias = [self.bias] if self.use_bias else []
        for number, value in enumerate([values[0], *bias, *values[1:]]):
            store[str(number)] = value

    def load_own_variables(self, store):
        if self.quantization_mode is None or not self.built:
            super().load_own_variables(store)
            return
        if not self.lora_enabled:
            self._check_load_own_variables(store)
        kernel, *others = self._held
        bias = [self.bias] if self.use_bias else []
        for number, variable in enumerate([kernel, *bias, *others]):
            variable.assign(store[str(number)])
        for variable in (self.lora_kernel_a, self.lora_kernel_b) if self.lora_enabled else ():
            variable.assign(ops.zeros(variable.shape))
