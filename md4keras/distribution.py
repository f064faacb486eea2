"""Layouts of a model and its batches over several devices, as `keras.distribution` objects of JAX.

Three of them, each of which gives the results of a single device:

- `"data"`: every device has the whole model and a part of each batch;
- `"sharded"`: besides, every weight lies in as many parts as there are devices, and so do its
  average and what the optimizer keeps of it (as ZeRO-3 and FSDP do);
- `"tensor"`: groups of devices share the work of each layer: attention heads, hidden units, and
  the values of the vocabulary (as Megatron-LM does); each group has a part of the batch.

References: Rajbhandari et al. 2020, *ZeRO* (arXiv 1910.02054); Shoeybi et al. 2019, *Megatron-LM*
(arXiv 1909.08053); Xu et al. 2021, *GSPMD* (arXiv 2105.04663).
"""

import contextlib
import re
from collections.abc import Iterator

import keras

from md4keras import backend
from md4keras.checks import check_name, check_whole

__all__ = ["LAYOUTS", "data_shard", "get", "is_first_process", "start_processes"]

LAYOUTS = ("data", "sharded", "tensor")

_BATCH, _MODEL = "batch", "model"
_OUTPUTS, _INPUTS = -1, -2  # the axis of a kernel that is cut
_CUT = {
    # A layer whose outputs are cut is followed by one whose inputs are, which sums over them.
    r"attention/(query|key|value)/(kernel|bias)": _OUTPUTS,
    r"attention/output_projection/kernel": _INPUTS,
    r"mlp/(gate|input_projection|hidden)/(kernel|bias)": _OUTPUTS,
    r"mlp/output_projection/kernel": _INPUTS,
    r"conv_1/(kernel|bias)": _OUTPUTS,
    r"conv_2/kernel": _INPUTS,
    r"head/(projection|conv)/(kernel|bias)": _OUTPUTS,
    r"token_embedding/embeddings": _OUTPUTS,
}
"""What the `"tensor"` layout cuts: the ends of variables' paths."""


def get(layout: str = "data", devices=None, model_devices: int | None = None):
    """A `keras.distribution.Distribution`, to be set before a model is made.

    Args:
        layout: `"data"`, `"sharded"` or `"tensor"`.
        devices: int, how many devices of this machine take part; or their names, as
            `keras.distribution.list_devices()` has them; `None` for all. Of several processes all
            devices take part.
        model_devices: int, of the `"tensor"` layout alone: how many devices share each layer, a
            divisor of their number; `None` for those of one process. It has to divide the heads
            and the hidden units of the networks.

    Returns:
        a `keras.distribution.Distribution`.

    Raises:
        ValueError: on another backend than JAX, or for devices that there are not.

    Example:

    >>> import keras, md4keras
    >>> with md4keras.distribution.get("sharded", devices=1).scope():
    ...     network = md4keras.networks.Transformer(5, 8, 1, 1, 8)
    ...     model = md4keras.MD4(network)
    >>> model.generate(2, num_steps=2).shape
    (2, 8)
    """
    check_name("layout", layout, LAYOUTS)
    _check_backend()
    found = _devices(devices)
    if layout != "tensor" and model_devices is not None:
        raise ValueError(
            "Devices share layers in the 'tensor' layout alone. Expected model_devices=None. "
            f"Received: layout={layout!r}, model_devices={model_devices}. Leave it out."
        )
    if layout == "data":
        return keras.distribution.DataParallel(devices=found, auto_shard_dataset=False)
    if layout == "sharded":
        mesh = keras.distribution.DeviceMesh((len(found),), (_BATCH,), found)
        return Sharded(mesh)
    if model_devices is None:
        model_devices = max(1, len(found) // backend.num_processes())
    check_whole("model_devices", model_devices)
    if len(found) % model_devices:
        raise ValueError(
            "The devices cannot be put into groups that share layers. Expected a divisor of "
            f"{len(found)}. Received: model_devices={model_devices}. Use "
            f"{max(n for n in range(1, model_devices) if len(found) % n == 0)}."
        )
    shape = (len(found) // model_devices, model_devices)
    return TensorParallel(keras.distribution.DeviceMesh(shape, (_BATCH, _MODEL), found))


def start_processes(
    coordinator: str | None = None, num_processes: int | None = None, process: int | None = None
) -> None:
    """Joins this process with others that train one model; before anything else is computed.

    All `None` leaves it to JAX, which knows the processes of Slurm, Kubernetes and Cloud TPUs, or
    to the environment variables `KERAS_DISTRIBUTION_JOB_ADDRESSES`, `..._NUM_PROCESSES` and
    `..._PROCESS_ID`.

    Args:
        coordinator: `"host:port"` of process 0, which all others can reach.
        num_processes: int.
        process: int, the number of this one, from 0.

    Raises:
        ValueError: on another backend than JAX, or if only some of the three are given.
    """
    _check_backend()
    given = {"coordinator": coordinator, "num_processes": num_processes, "process": process}
    if None in given.values() and set(given.values()) != {None}:
        raise ValueError(
            "Processes find each other by three facts, or by none where JAX knows them. Expected "
            "coordinator, num_processes and process. Received: "
            + ", ".join(f"{name}={value}" for name, value in given.items())
            + ". Give all three, or none."
        )
    if num_processes is not None:
        check_whole("num_processes", num_processes)
        check_whole("process", process, 0, num_processes - 1, "They are counted from 0.")
    backend.start_processes(coordinator, num_processes, process)


def data_shard() -> tuple[int, int]:
    """Which part of the data this process reads: `(i, n)`, the `shard` of `md4keras.data`.

    Example:

    >>> md4keras.distribution.data_shard()  # a single process reads everything
    (0, 1)
    """
    distribution = keras.distribution.distribution()
    if distribution is None:
        return 0, 1
    replicas = distribution.num_model_replicas
    return distribution.data_shard_id, min(distribution.num_processes, replicas)


def batch_parts() -> int:
    """Into how many parts the devices of all processes cut a batch."""
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else distribution.num_model_replicas


def whole_rows(count: int) -> int:
    """The smallest number of rows, `count` at least, of which every part has as many."""
    parts = batch_parts()
    return -(-count // parts) * parts


@contextlib.contextmanager
def alone() -> Iterator[None]:
    """A part of the program without a layout: what it makes lies on one device."""
    layout = keras.distribution.distribution()
    keras.distribution.set_distribution(None)
    try:
        yield
    finally:
        keras.distribution.set_distribution(layout)


def is_first_process() -> bool:
    """Whether this process is the one that prints and writes files.

    Example:

    >>> md4keras.distribution.is_first_process()
    True
    """
    return backend.process_number() == 0


class Sharded(keras.distribution.ModelParallel):
    """Each weight, its average and its optimizer's slots cut over all devices, as the batch is.

    A weight is cut along its largest axis whose size is a multiple of the devices' number; one
    without such an axis lies whole on each device.

    Args:
        device_mesh: `keras.distribution.DeviceMesh` of one axis.
    """

    def __init__(self, device_mesh):
        layout_map = keras.distribution.LayoutMap(device_mesh)
        super().__init__(layout_map=layout_map, auto_shard_dataset=False)

    def get_variable_layout(self, variable):
        if getattr(variable, "_layout", None) is not None:  # as Keras's own: an optimizer's slots
            return variable._layout
        (count,) = self.device_mesh.shape
        sizes = [size if size % count == 0 else 0 for size in variable.shape]
        axis = max(range(len(sizes)), key=sizes.__getitem__) if any(sizes) else None
        return _cut(variable, axis, self.device_mesh, self.batch_dim_name)


class TensorParallel(keras.distribution.ModelParallel):
    """The work of each layer shared by groups of devices, and the batch by the groups.

    Heads and hidden units are cut; so are the vocabulary in the head and the width of the
    embeddings, where their size is a multiple of the group's. All else lies whole on each device.

    Args:
        device_mesh: `keras.distribution.DeviceMesh` of two axes: groups, and their devices.
    """

    def __init__(self, device_mesh):
        layout_map = keras.distribution.LayoutMap(device_mesh)
        super().__init__(layout_map=layout_map, auto_shard_dataset=False)

    def get_variable_layout(self, variable):
        if getattr(variable, "_layout", None) is not None:
            return variable._layout
        count = self.device_mesh.shape[1]
        axes = [axis for end, axis in _CUT.items() if re.search(rf"(^|/){end}$", variable.path)]
        axes = [axis for axis in axes if variable.shape[axis] % count == 0]
        return _cut(variable, axes[0] if axes else None, self.device_mesh, _MODEL)

    def check_network(self, network) -> None:
        """Raises a `ValueError` if the heads of a network cannot be shared evenly."""
        group = self.device_mesh.shape[1]
        for name in ("num_heads", "num_key_value_heads"):
            heads = getattr(network, name, None)
            if heads is not None and heads % group:
                raise ValueError(
                    "The devices of a group share attention heads. Expected a number of heads that "
                    f"is a multiple of {group}. Received: {name}={heads}, model_devices={group}. "
                    f"Give model_devices={max(n for n in range(1, group) if heads % n == 0)}, or "
                    "use the 'sharded' layout."
                )


def check_network(network) -> None:
    """Raises a `ValueError` if the present distribution cannot lay out a network."""
    check = getattr(keras.distribution.distribution(), "check_network", None)
    if check is not None:
        check(network)


def _cut(variable, axis: int | None, mesh, name: str):
    """The layout of a variable that is cut along an axis, `None` for none."""
    axes = [None] * len(variable.shape)
    if axis is not None:
        axes[axis] = name
    return keras.distribution.TensorLayout(axes, mesh)


def _devices(wanted) -> list[str]:
    """The names of the devices that take part."""
    there = keras.distribution.list_devices()
    if wanted is None:
        return there
    if isinstance(wanted, (list, tuple)):
        found = [str(name) for name in wanted]
        if not found or set(found) - set(there):
            raise ValueError(
                f"There are no such devices. Expected some of {there}. Received: devices={found}. "
                "Give their number instead, or None for all."
            )
    else:
        check_whole("devices", wanted, mend="None takes all.")
        found = there[:wanted]
    if len(found) < (wanted if isinstance(wanted, int) else 1):
        mend = "Take as many as there are"
        if there[0].startswith("cpu"):
            mend += (
                ", or simulate more on this CPU: set XLA_FLAGS="
                f"--xla_force_host_platform_device_count={wanted} in the environment before the "
                "program starts"
            )
        raise ValueError(
            f"There are not so many devices. Expected at most {len(there)}. Received: devices="
            f"{wanted}. {mend}."
        )
    if backend.num_processes() > 1 and len(found) < len(there):
        raise ValueError(
            "Every process brings all of its devices. Expected all "
            f"{len(there)}. Received: devices={wanted}. Leave it out."
        )
    return found


def _check_backend() -> None:
    if not backend.HAS_LAYOUTS:
        raise ValueError(
            "Layouts over several devices are for JAX. Expected KERAS_BACKEND=jax. Received: the "
            f"backend {backend.NAME}. Use JAX; docs/devices.md says what the others can do."
        )
