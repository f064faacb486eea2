"""The reverse process of a model that draws block by block, inside a graph.

A loop over the blocks whose state holds the keys and values of those that are finished; the tokens
are those of `model.generate` and `model.infill`.
"""

import tensorflow as tf

from md4keras.export.reverse import RequestedProcess


def run(model, sampler, request, z, chosen_time):
    """Tokens without masks, and the network calls of all steps.

    Args:
        model: a `BlockDiffusion`.
        sampler: a `Sampler` of steps.
        request: dictionary of tensors; see `RequestedProcess`.
        z: int32 tensor `[B, L]`, masks where tokens are to be drawn.
        chosen_time: float32 scalar tensor, the time of each block's first state; 0 for the one that
            fits its gaps.
    """
    process, size = RequestedProcess(model, sampler, request), model.block_size
    rows, length = tf.unstack(tf.shape(z))
    count = (length + size - 1) // size
    z = tf.pad(z, [[0, 0], [0, count * size - length]])
    labels, halves = request.get("labels"), 1
    if "guidance" in request:  # the other half has no label
        halves = 2
        labels = tf.concat([labels, tf.fill([rows], model.network.num_classes)], axis=0)
    empty = model.network.empty_cache(halves * rows, count * size)

    def one_block(number, z, calls, cache):
        begin = number * size
        present = tf.ensure_shape(z[:, begin : begin + size], (None, size))
        real = tf.broadcast_to(begin + tf.range(size) < length, tf.shape(present))
        masked = tf.equal(present, model.mask_token)
        start_time = _start_time(model, masked, real, chosen_time)

        def filled():
            state = process.run(present, start_time, real, cache)
            return state.z, state.calls

        present, taken = tf.cond(tf.reduce_any(masked), filled, lambda: (present, 0))
        z = tf.concat([z[:, :begin], present, z[:, begin + size :]], axis=1)
        longer = model.cache_after(cache, tf.tile(present, [halves, 1]), labels)
        pairs = zip(longer, cache, strict=True)
        longer = cache._make(tf.ensure_shape(new, old.shape) for new, old in pairs)
        return number + 1, tf.ensure_shape(z, (None, None)), calls + taken, longer

    open_z = tf.TensorShape((None, None))
    shapes = tf.TensorShape(()), open_z, tf.TensorShape(()), empty._make(x.shape for x in empty)
    _, z, calls, _ = tf.while_loop(
        lambda number, *_: number < count, one_block, (0, z, 0, empty), shapes
    )
    return z[:, :length], calls


def _start_time(model, masked, real, chosen):
    """The time of each row's first state, float32 `[B]`; 1 where nothing is masked."""
    masks, tokens = (tf.reduce_sum(tf.cast(each, "float32"), axis=1) for each in (masked, real))
    fraction = masks / tf.maximum(tokens, 1.0)
    fitting = model.schedule.time_of_masked_fraction(fraction)
    time = tf.where(chosen > 0.0, chosen, fitting)
    return tf.where(fraction > 0.0, time, tf.ones_like(time))
