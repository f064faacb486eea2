"""The vocabulary head and the loss in one pass over the masked positions, chunk by chunk.

Its definition is `MaskedDiffusion.diffusion_term`, on logits `[B, *data_shape, V]`; read that
first. Here those logits are never formed: the masked rows of features go through head and loss
chunk by chunk, until none is left. In training the gradient of a chunk is computed in the same pass
(three matrix products a chunk), which needs to know how much each row counts in the objective. No
array has more than a chunk's rows by `V` values, and the arithmetic is that of the masked rows
alone, up to the next whole chunk, however many they are.
"""

from keras import ops

from md4keras import backend

_CHUNK_VALUES = 2**24  # logits of a chunk: 64 MB
_CHUNK_ROWS = 4096  # at most
_CHUNKS = 16  # more rows make larger chunks rather than more


def masked_objective(features, kernel, x, masked, weight, power=None, bias=None):
    """`sum_r weight_r cost_r` over the masked rows, with its gradient, and the costs.

    The cost of a row is `-log mu_x`, or with `power` (GenMD4) `w_x (-log mu_x - 1) + sum_v w_v
    mu_v`. Gradients reach features, kernel, weight, power and bias, through the objective alone.

    Args:
        features: float tensor `[N, width]`, one row a position.
        kernel: float32 tensor or variable `[width, V]`; logits are `features @ kernel + bias`.
        x: int tensor `[N]`, the clean tokens.
        masked: bool tensor `[N]`, the rows that count.
        weight: float32 tensor `[N]`.
        power: float32 tensor `[V]`, the exponents `w`, or `None`.
        bias: float32 tensor or variable `[V]`, or `None`.

    Returns:
        the objective (float32 scalar) and the cost of each row (float32 `[N]`, nats, 0 where not
        masked, without a gradient).
    """

    @ops.custom_gradient
    def run(features, kernel, weight, *others):
        count = 0 if power is None else 2
        powers, biases = others[:count], others[count:]
        cost, gradients = _run_chunks(features, kernel, x, masked, weight, powers, biases)
        objective = ops.reshape(ops.sum(weight * cost), (1,))

        def gradient(*args, upstream=None):
            if upstream is None:
                (upstream,) = args
            return tuple(upstream[0] * each for each in gradients)

        return ops.concatenate([objective, cost]), gradient

    biases = () if bias is None else (_value(bias),)
    outputs = run(_value(features), _value(kernel), _value(weight), *_powers(power, x), *biases)
    return outputs[0], ops.stop_gradient(outputs[1:])


def masked_cost(features, kernel, x, masked, power=None, bias=None):
    """The cost of each row, as `masked_objective`, without gradients: float32 `[N]`, nats."""
    wholes = [features, kernel, *(() if bias is None else (bias,))]
    features, kernel, *biases = [ops.stop_gradient(_value(each)) for each in wholes]
    powers = [ops.stop_gradient(each) for each in _powers(power, x)]
    return _run_chunks(features, kernel, x, masked, None, powers, biases)[0]


def per_example(cost, x, weight=None):
    """The sums of the costs of rows `[B N]` over each example of `x` `[B, *data_shape]`, `[B]`.

    Each times its weight, if there are any (`weight`, float32 tensor like `x`).
    """
    if weight is not None:
        cost = cost * ops.reshape(weight, (-1,))
    return ops.sum(ops.reshape(cost, (ops.shape(x)[0], -1)), axis=-1)


def chunk_rows(vocabulary_size: int, num_rows: int | None) -> int:
    """The number of rows in a chunk, for `num_rows` in all (`None` where not known)."""
    rows = max(_CHUNK_VALUES // vocabulary_size, 1)
    rows = rows // 64 * 64 or rows
    if num_rows is None:
        return min(rows, _CHUNK_ROWS)
    return min(max(rows, num_rows // _CHUNKS), _CHUNK_ROWS, num_rows)


def _run_chunks(features, kernel, x, masked, weight, powers, biases):
    """Costs `[N]`, and, if there are weights, gradients.

    By (features, kernel, weight, *powers, *biases).
    """
    row_power, power = powers or (None, None)
    (bias,) = biases or (None,)
    rows = features, x, masked, weight, row_power
    # Devices that share a batch do not exchange rows: each goes through its own.
    (costs, *of_rows), of_all = backend.map_rows(_run_own_chunks, rows, (kernel, power, bias))
    if weight is None:
        return costs, None
    return costs, (of_rows[0], of_all[0], costs, *of_rows[1:], *of_all[1:])


def _run_own_chunks(rows, wholes):
    """As `_run_chunks`: what there is of each row, and what is summed over all rows."""
    features, x, masked, weight, row_power = rows
    kernel, power, bias = wholes
    num_rows = ops.shape(features)[0]
    size = chunk_rows(kernel.shape[1], features.shape[0])
    count = ops.sum(ops.cast(masked, "int32"))
    # The masked rows first; then the row N, which is no row, so that no chunk overhangs.
    order = ops.argsort(ops.cast(ops.logical_not(masked), "int32"))
    nowhere = ops.full((size,), num_rows, dtype="int32")
    order = ops.concatenate([ops.cast(order, "int32"), nowhere])
    slots = ops.arange(size, dtype="int32")

    def chunk(start, costs, *gradients):
        valid = start + slots < count  # [size]
        places = ops.where(valid, ops.take(order, start + slots), num_rows)
        rows = ops.minimum(places, num_rows - 1)
        h = ops.where(valid[:, None], ops.take(features, rows, axis=0), 0.0)  # [size, width]
        own_power = None if power is None else ops.take(row_power, rows)
        logits = ops.matmul(h, kernel) if bias is None else ops.matmul(h, kernel) + bias
        parts = _cost_and_slope(logits, ops.take(x, rows), own_power, power)
        costs = ops.scatter_update(costs, places[:, None], parts["cost"])
        if weight is None:
            return start + size, costs
        counted = ops.where(valid, ops.take(weight, rows), 0.0)  # [size]
        slope = counted[:, None] * parts["slope"]  # [size, V]
        by_row = [ops.matmul(slope, ops.transpose(kernel))]
        by_whole = [ops.matmul(ops.transpose(h), slope)]
        if power is not None:
            by_row.append(counted * parts["excess"])
            by_whole.append(ops.matmul(counted, parts["mu"]))
        if bias is not None:
            by_whole.append(ops.sum(slope, axis=0))
        for i, new in enumerate(by_row):
            by_row[i] = ops.scatter_update(gradients[i], places[:, None], new)
        for i, new in enumerate(by_whole):
            by_whole[i] = gradients[len(by_row) + i] + new
        return start + size, costs, *by_row, *by_whole

    of_rows, of_all = [ops.zeros((num_rows + 1,))], []  # costs first
    if weight is not None:
        of_rows.append(ops.zeros((num_rows + 1, features.shape[1])))
        if power is not None:
            of_rows.append(ops.zeros((num_rows + 1,)))
        of_all = [ops.zeros_like(each) for each in (kernel, power, bias) if each is not None]
    state = (ops.zeros((), dtype="int32"), *of_rows, *of_all)
    _, *found = ops.while_loop(lambda start, *_: start < count, chunk, state)
    return [each[:-1] for each in found[: len(of_rows)]], found[len(of_rows) :]


def _powers(power, x):
    return () if power is None else (ops.take(power, x), _value(power))


def _value(x):
    """A float32 tensor, also of a variable (which TensorFlow's casts leave as it is)."""
    return ops.cast(ops.reshape(x, ops.shape(x)), "float32")


def _cost_and_slope(logits, x, row_power, power):
    """The cost of each row `[size]`, and its derivative by the logits `[size, V]`."""
    normalizer = ops.logsumexp(logits, axis=-1, keepdims=True)
    mu = ops.exp(logits - normalizer)  # [size, V]
    x = ops.expand_dims(x, -1)
    nats = (normalizer - ops.take_along_axis(logits, x, axis=-1))[:, 0]
    hit = ops.equal(ops.arange(logits.shape[-1], dtype=x.dtype), x)
    slope = mu - ops.cast(hit, "float32")
    if power is None:
        return {"cost": nats, "slope": slope}
    excess = nats - 1.0
    mean_power = ops.sum(mu * power, axis=-1)  # [size]; exacter than a product
    return {
        "cost": row_power * excess + mean_power,
        "slope": row_power[:, None] * slope + mu * (power - mean_power[:, None]),
        "excess": excess,
        "mu": mu,
    }
