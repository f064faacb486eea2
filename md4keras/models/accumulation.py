"""Large batches in small parts: rows in turn, and Keras's accumulation of whole batches."""

import types

import keras
from keras import ops


def in_parts(tree, num_parts: int):
    """The rows of a step, in parts of one size whose gradients add up.

    Part `i` has the rows `i`, `i + num_parts`, ..., so that evenly spread times are so in each.
    Rows are added where they are needed: copies of the first one.

    Args:
        tree: tensors `[B, ...]` and `None`s, at any depth.
        num_parts: int.

    Returns:
        The same with tensors `[num_parts, ceil(B / num_parts), ...]`, and which of their rows were
        not added, bool of these two sizes.
    """
    count = ops.shape(next(x for x in keras.tree.flatten(tree) if x is not None))[0]
    size = -(-count // num_parts)
    places = ops.reshape(ops.arange(size * num_parts), (size, num_parts))
    is_row = places < count

    def arrange(x):
        x = ops.take(x, ops.where(is_row, places, 0), axis=0)  # [size, num_parts, ...]
        return ops.swapaxes(x, 0, 1)

    parts = keras.tree.map_structure(lambda x: None if x is None else arrange(x), tree)
    return parts, ops.transpose(is_row)


def part(parts, number: int):
    """One of the parts that `in_parts` made: tensors `[rows, ...]` and `None`s."""
    return keras.tree.map_structure(lambda x: None if x is None else x[number], parts)


def whole(parts, count):
    """What `in_parts` arranged from `count` rows, as it was: `[count, ...]`."""
    parts = ops.swapaxes(parts, 0, 1)
    return ops.reshape(parts, (-1, *ops.shape(parts)[2:]))[:count]


def average_updates(optimizer) -> None:
    """Lets the averaged weights of an optimizer that accumulates gradients follow its updates.

    Keras averages after each batch, also after those that update nothing: with a momentum of 0.5
    and four batches an update, the old average would count 1/16 in place of 1/2.
    """
    every = getattr(optimizer, "gradient_accumulation_steps", None)
    if not every or not optimizer.use_ema:
        return

    def update(self, variables):
        number = self._iterations + 1  # of batches; `iterations` counts updates
        due = ops.equal(number % every, 0)
        momentum = ops.where(ops.less_equal(number, every), 0.0, self.ema_momentum)
        for variable, average in zip(variables, self._model_variables_moving_average, strict=True):
            if average is not None:
                share = ops.cast(momentum, variable.dtype)
                value, old = ops.convert_to_tensor(variable), ops.convert_to_tensor(average)
                average.assign(ops.where(due, share * old + (1 - share) * value, old))

    # Keras has no public name for it.
    optimizer._update_model_variables_moving_average = types.MethodType(update, optimizer)
