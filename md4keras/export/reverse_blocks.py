"""The reverse process of a model that draws block by block, inside a graph.

A loop over the blocks whose state holds the keys and values of those that are finished, or one
turn of it, whose caller keeps them; the tokens are those of `model.generate` and `model.infill`.
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
    size = model.block_size
    rows, length = tf.unstack(tf.shape(z))
    count = (length + size - 1) // size
    z = tf.pad(z, [[0, 0], [0, count * size - length]])
    empty = model.network.empty_cache(halves(request) * rows, count * size)

    def one_block(number, z, calls, cache):
        begin = number * size
        present = tf.ensure_shape(z[:, begin : begin + size], (None, size))
        real = tf.broadcast_to(begin + tf.range(size) < length, tf.shape(present))
        where = present, real, cache
        present, taken, longer = run_block(model, sampler, request, where, chosen_time)
        z = tf.concat([z[:, :begin], present, z[:, begin + size :]], axis=1)
        pairs = zip(longer, cache, strict=True)
        longer = cache._make(tf.ensure_shape(new, old.shape) for new, old in pairs)
        return number + 1, tf.ensure_shape(z, (None, None)), calls + taken, longer

    open_z = tf.TensorShape((None, None))
    shapes = tf.TensorShape(()), open_z, tf.TensorShape(()), empty._make(x.shape for x in empty)
    _, z, calls, _ = tf.while_loop(
        lambda number, *_: number < count, one_block, (0, z, 0, empty), shapes
    )
    return z[:, :length], calls


def run_block(model, sampler, request, where, chosen_time):
    """One block, int32 `[B, S]`, its network calls, and the cache with it.

    Args:
        model, sampler, request, chosen_time: as of `run`.
        where: the block with masks where it is to be drawn; what of it belongs to the text, bool;
            and the `Cache` of what stands before it, with places for this block.
    """
    z, real, cache = where
    masked = tf.equal(z, model.mask_token)
    start_time = _start_time(model, masked, real, chosen_time)
    process = RequestedProcess(model, sampler, request)

    def filled():
        state = process.run(z, start_time, real, cache)
        return state.z, state.calls

    z, calls = tf.cond(tf.reduce_any(masked), filled, lambda: (z, 0))
    z, labels = tf.ensure_shape(z, (None, model.block_size)), request.get("labels")
    if halves(request) == 2:  # the other half has no label
        labels = tf.concat([labels, tf.fill(tf.shape(labels), model.network.num_classes)], axis=0)
    return z, calls, model.cache_after(cache, tf.tile(z, [halves(request), 1]), labels)


def next_block(model, sampler, request) -> dict:
    """A run of the block that follows what the request's keys and values are of."""
    z, size = request["tokens"], model.block_size
    stored, more = tf.shape(request["keys"])[2], [[0, 0], [0, 0], [0, size], [0, 0], [0, 0]]
    rows = halves(request) * tf.shape(z)[0]
    keys, values = (tf.pad(request[name], more) for name in ("keys", "values"))
    cache = model.network.empty_cache(rows, stored + size)
    cache = cache._replace(keys=keys, values=values, length=tf.fill([rows], stored))
    real = tf.ones_like(z, dtype="bool")
    where = z, real, cache
    z, calls, cache = run_block(model, sampler, request, where, request["start_time"])
    return {"tokens": z, "network_calls": calls, "keys": cache.keys, "values": cache.values}


def halves(request) -> int:
    """How many rows of keys and values each row of tokens has: two where guidance can be asked."""
    return 2 if "guidance" in request else 1


def _start_time(model, masked, real, chosen):
    """The time of each row's first state, float32 `[B]`; 1 where nothing is masked."""
    masks, tokens = (tf.reduce_sum(tf.cast(each, "float32"), axis=1) for each in (masked, real))
    fraction = masks / tf.maximum(tokens, 1.0)
    fitting = model.schedule.time_of_masked_fraction(fraction)
    time = tf.where(chosen > 0.0, chosen, fitting)
    return tf.where(fraction > 0.0, time, tf.ones_like(time))
