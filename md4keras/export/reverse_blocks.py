"""The reverse process of a model that draws block by block, inside a graph.

A loop over the blocks whose state holds the keys and values of those that are finished, or one
turn of it, whose caller keeps them; the tokens are those of `model.generate` and `model.infill`.
"""

import tensorflow as tf

from md4keras.export import checks
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
    cache = model.network.empty_cache(halves(request) * rows, (count - 1) * size)

    def one_block(number, z, calls, cache):
        begin = number * size
        present = tf.ensure_shape(z[:, begin : begin + size], (None, size))
        real = tf.broadcast_to(begin + tf.range(size) < length, tf.shape(present))
        where = present, real, cache
        present, taken = drawn_block(model, sampler, request, where, chosen_time)
        z = tf.concat([z[:, :begin], present, z[:, begin + size :]], axis=1)
        longer = tf.cond(
            number + 1 < count, lambda: cache_after(model, request, cache, present), lambda: cache
        )
        pairs = zip(longer, cache, strict=True)
        longer = cache._make(tf.ensure_shape(new, old.shape) for new, old in pairs)
        return number + 1, tf.ensure_shape(z, (None, None)), calls + taken, longer

    open_z = tf.TensorShape((None, None))
    shapes = tf.TensorShape(()), open_z, tf.TensorShape(()), cache._make(x.shape for x in cache)
    _, z, calls, _ = tf.while_loop(
        lambda number, *_: number < count, one_block, (0, z, 0, cache), shapes
    )
    return z[:, :length], calls


def drawn_block(model, sampler, request, where, chosen_time):
    """One block without masks, int32 `[B, S]`, and its network calls.

    Args:
        model, sampler, request, chosen_time: as of `run`.
        where: the block with masks where it is to be drawn; what of it belongs to the text, bool;
            and the `Cache` of what stands before it.
    """
    z, real, cache = where
    masked = tf.equal(z, model.mask_token)
    start_time = _start_time(model, masked, real, chosen_time)
    process = RequestedProcess(model, sampler, request)

    def filled():
        state = process.run(z, start_time, real, cache)
        return checks.after([checks.something_drawn(state.z)], state.z), state.calls

    z, calls = tf.cond(tf.reduce_any(masked), filled, lambda: (z, 0))
    return tf.ensure_shape(z, (None, model.block_size)), calls


def cache_after(model, request, cache, x):
    """The cache with a finished block, int32 `[B, S]`, too, for which it has places."""
    labels = request.get("labels")
    if halves(request) == 2:  # the other half has no label
        labels = tf.concat([labels, tf.fill(tf.shape(labels), model.network.num_classes)], axis=0)
    return model.cache_after(cache, tf.tile(x, [halves(request), 1]), labels)


def next_block(model, sampler, request) -> dict:
    """A run of the block that follows what the request's keys and values are of."""
    z = request["tokens"]
    cache = _cache_of(model, request, model.block_size)
    where = z, tf.ones_like(z, dtype="bool"), cache
    z, calls = drawn_block(model, sampler, request, where, request["start_time"])
    cache = cache_after(model, request, cache, z)
    return {"tokens": z, "network_calls": calls, "keys": cache.keys, "values": cache.values}


def block_logits(model, request) -> dict:
    """`model.logits_after` what the request's keys and values are of; of guidance, the label's."""
    z = request["tokens"]
    cache = _cache_of(model, request).of_rows(tf.shape(z)[0])
    return {"logits": model.logits_after(cache, z, request.get("labels"))}


def halves(request) -> int:
    """How many rows of keys and values each row of tokens has: two where guidance can be asked."""
    return 2 if "guidance" in request else 1


def _cache_of(model, request, further: int = 0):
    """The request's keys and values as a `Cache`, with places for further tokens."""
    _, rows, stored = tf.unstack(tf.shape(request["keys"])[:3])
    more = [[0, 0], [0, 0], [0, further], [0, 0], [0, 0]]
    keys, values = (tf.pad(request[name], more) for name in ("keys", "values"))
    cache = model.network.empty_cache(rows, stored + further)
    return cache._replace(keys=keys, values=values, length=tf.fill([rows], stored))


def _start_time(model, masked, real, chosen):
    """The time of each row's first state, float32 `[B]`; 1 where nothing is masked."""
    masks, tokens = (tf.reduce_sum(tf.cast(each, "float32"), axis=1) for each in (masked, real))
    fraction = masks / tf.maximum(tokens, 1.0)
    fitting = model.schedule.time_of_masked_fraction(fraction)
    time = tf.where(chosen > 0.0, chosen, fitting)
    return tf.where(fraction > 0.0, time, tf.ones_like(time))
