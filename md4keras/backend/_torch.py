"""PyTorch: a training step that applies the gradients only where they are finite.

Where `torch.distributed` has several processes they share the step: all know its batch, which the
rows that each has brought make together, and draw the same times and masks for it; each takes its
part of the rows through the network, and the gradients add up.
"""

import keras
import torch
from torch import distributed

COMPILES_EACH_SHAPE = False
"""Whether a function from `compile_function` is compiled anew for each shape of its tensors."""


def train_step(model, data):
    """A training step of a `models.trainer.Trainer`; returns the logs."""
    model.zero_grad()
    count, number = _processes()
    batch = keras.utils.unpack_x_y_sample_weight(data)
    step = model.draw_step(*keras.tree.map_structure(_rows_of_all, batch))
    loss, found = 0.0, []
    for part in model.parts_of(step, count)[number::count]:
        terms = []
        for zt in part.maskings:
            # One after the other: memory for one network call is enough.
            objective, term = model.masking_objective(part, zt)
            objective.backward()
            loss, terms = loss + objective.detach(), [*terms, term]
        found.append(terms)
    terms = [_parts_of_all(torch.stack(each)) for each in zip(*found, strict=True)]
    loss = _sum_of_all(loss)
    variables = [v for v in model.trainable_variables if v.value.grad is not None]
    for variable in variables:
        _sum_of_all(variable.value.grad)
    # All processes have the terms of all rows: what follows is the same in each.
    objective = model.closing_objective(step, model.terms_of(step, terms))
    if objective.requires_grad:
        objective.backward()
    loss = loss + objective.detach()

    variables = [v for v in model.trainable_variables if v.value.grad is not None]
    gradients = [v.value.grad for v in variables]
    with torch.no_grad():
        norm = torch.linalg.vector_norm(
            torch.stack([torch.linalg.vector_norm(g.float()) for g in gradients])
        )
        finite = torch.isfinite(loss) & torch.isfinite(norm)
        if finite:
            model.optimizer.apply(gradients, variables)
        return model.step_logs(norm, finite)


def track_variables(model):
    """Tells PyTorch which variables the layers of a model have, where some were taken away."""
    for layer in model._flatten_layers():
        layer._track_variables()


def check_devices(model):
    """Gives all processes the variables of the first, before they train together."""
    if _processes()[0] > 1:
        for variable in model.variables:
            distributed.broadcast(variable.value.data, 0)


def _processes() -> tuple[int, int]:
    """How many processes train together, and the number of this one."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size(), distributed.get_rank()
    return 1, 0


def _sum_of_all(tensor):
    """The sum over the processes, in place."""
    if _processes()[0] > 1:
        distributed.all_reduce(tensor)
    return tensor


def _rows_of_all(rows):
    """The rows `[B, ...]` of all processes, one after another, of any number each."""
    count, _ = _processes()
    if rows is None or count == 1:
        return rows
    rows = keras.ops.convert_to_tensor(rows)
    sizes = [torch.zeros(1, dtype=torch.int64, device=rows.device) for _ in range(count)]
    distributed.all_gather(sizes, torch.full_like(sizes[0], len(rows)))
    most = int(max(sizes))
    # As bytes: not every way of communicating knows truth values.
    flat = rows.contiguous().reshape(len(rows), -1).view(torch.uint8)
    flat = torch.nn.functional.pad(flat, (0, 0, 0, most - len(rows)))
    found = [torch.empty_like(flat) for _ in range(count)]
    distributed.all_gather(found, flat)
    flat = torch.cat([each[: int(size)] for each, size in zip(found, sizes, strict=True)])
    return flat.view(rows.dtype).reshape(-1, *rows.shape[1:])


def _parts_of_all(parts):
    """The parts `[n, rows]` of all processes in turn, `[n processes, rows]`."""
    count, _ = _processes()
    if count == 1:
        return parts
    found = [torch.empty_like(parts) for _ in range(count)]
    distributed.all_gather(found, parts.contiguous())
    return torch.stack(found, dim=1).reshape(-1, *parts.shape[1:])


def test_step(model, data):
    """A batch of an evaluation; returns the logs."""
    return model.evaluate_batch(*keras.utils.unpack_x_y_sample_weight(data))


def compile_function(model, function):
    """Runs the function without gradients (`torch.compile` took minutes and ran slower)."""
    del model

    def call(*args):
        with torch.no_grad():
            return function(*args)

    return call


def keep_mask(seed, rate: float, shape):
    """What dropout keeps."""
    generator = torch.Generator(seed.device)
    first, second = seed.tolist()
    # The generator takes 32 bits: odd factors spread the words over all of them. Processes that
    # share a step have rows of their own, and the same seed.
    _, number = _processes()
    generator.manual_seed((first * 0x9E3779B1 + second + number * 0x85EBCA6B) & 0xFFFFFFFF)
    return torch.rand(shape, generator=generator, device=seed.device) >= rate
