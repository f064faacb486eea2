"""JAX on several devices, in one process or in many: the rows of a batch stay where they are."""

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax.experimental import multihost_utils


def start_processes(coordinator, number, process) -> None:
    """As `md4keras.distribution.start_processes`."""
    # CPUs would run programs at once that exchange something, in another order in each process.
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    keras.distribution.initialize(coordinator, number, process)


def num_processes() -> int:
    """How many processes work together."""
    return jax.process_count()


def process_number() -> int:
    """The number of this process among them, from 0."""
    return jax.process_index()


def of_all_processes(values) -> np.ndarray:
    """What each process gives, whole numbers `[n]`: `[processes, n]`, the same in all of them."""
    values = np.asarray(values, "int32")
    return np.reshape(multihost_utils.process_allgather(values), (-1, *values.shape))


def to_numpy(tensor) -> np.ndarray:
    """The values of a tensor or variable, on the host; also of what other processes' devices hold.

    Then all processes have to ask for it.
    """
    value = tensor.value if isinstance(tensor, keras.Variable) else tensor
    if not getattr(value, "is_fully_addressable", True) and not value.is_fully_replicated:
        return np.asarray(multihost_utils.process_allgather(value, tiled=True))
    return np.asarray(keras.ops.convert_to_numpy(value))


def keep_rows(x, axis: int = 0):
    """The same tensor, whose rows stay with the devices that have them.

    The compiler, left to itself, may go on with the layout of the weights, and hand out rows to
    every device.

    Args:
        x: tensor with the rows of a batch along `axis`, or `None`.
    """
    distribution = keras.distribution.distribution()
    if distribution is None or not isinstance(x, jax.core.Tracer):
        return x
    mesh, name = distribution.device_mesh.backend_mesh, distribution.batch_dim_name
    if x.shape[axis] % mesh.shape[name]:
        return x
    spec = jax.sharding.PartitionSpec(*(None,) * axis, name)
    return jax.lax.with_sharding_constraint(x, jax.sharding.NamedSharding(mesh, spec))


def as_weights(gradients, variables):
    """Gradients that lie on the devices as their weights do."""
    if keras.distribution.distribution() is None:
        return gradients
    return [
        jax.lax.with_sharding_constraint(gradient, variable._layout.backend_layout)
        for gradient, variable in zip(gradients, variables, strict=True)
    ]


def map_rows(function, rows, wholes):
    """The results of a function of rows; under a `keras.distribution` each device has its own.

    Args:
        function: of `rows` and `wholes`; returns a list of arrays `[N, ...]` with a row for each
            row, and a list of arrays that are sums over the rows. Rows of zeros add nothing.
        rows: arrays `[N, ...]`, or `None`s.
        wholes: arrays that each device needs as a whole, or `None`s.
    """
    distribution = keras.distribution.distribution()
    if distribution is None:
        return function(rows, wholes)
    mesh = distribution.device_mesh.backend_mesh
    # Those that share a layer's work share the rows, too.
    axes = (distribution.batch_dim_name,)
    axes += tuple(name for name in mesh.axis_names if name not in axes)
    split, whole = jax.sharding.PartitionSpec(axes), jax.sharding.PartitionSpec()
    count = rows[0].shape[0]
    more = -count % mesh.size
    rows = jax.tree.map(lambda x: jnp.pad(x, [(0, more)] + [(0, 0)] * (x.ndim - 1)), rows)

    def own(rows, wholes):
        of_rows, sums = function(rows, wholes)
        return of_rows, jax.lax.psum(sums, axes)

    of_rows, sums = jax.shard_map(
        own, mesh=mesh, in_specs=(split, whole), out_specs=(split, whole), check_vma=False
    )(rows, wholes)
    return [x[:count] for x in of_rows], sums
