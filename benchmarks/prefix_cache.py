"""The approximate prefix cache of `generate_blocks`: what it changes, and the time it spares.

A DiT trained on an eight-state Markov source draws texts in blocks of 8, in a window of 32, with
all of the window computed at each step and with the keys and values of what stands before the block
kept. `pair_distance`: total variation distance between the samples' pairs of neighbours and the
source's; `nats`, `nats_error`: the mean of `-log p` of a sample, and its standard error (`source`:
of as many samples of the source itself).
`prediction_distance`: the mean total variation distance between what the network predicts with the
kept keys and without, at the masks of blocks of the source of which half is revealed. `seconds`,
and `busy` ones of the processor, which other programs lengthen less, are those of one text of 512
tokens in blocks of 32, in a window of 256, by an untrained network of 4 layers of width 128.
"""

from benchmarks.machine import timed

STATES, LENGTH, WINDOW, BLOCK = 8, 64, 32, 8
TIMED = {"length": 512, "block_length": 32, "num_steps": 16}


def add_arguments(parser) -> None:
    add = parser.add_argument
    add("--cache-steps", type=int, default=800, help="of training (default: 800)")
    add("--cache-samples", type=int, default=2000, help="texts drawn (default: 2000)")


def rows(options):
    """A row for the source itself, and for each number of steps of a block with and without."""
    from md4keras.evaluation import oracle

    steps = 3 if options.tiny else options.cache_steps
    count = 20 if options.tiny else options.cache_samples
    source = oracle.Markov.random(STATES, LENGTH)
    model = trained(steps)
    error = prediction_distance(model, oracle.Markov.random(STATES, WINDOW).draw(64, seed=3))
    seconds = {False: [], True: []}
    for run in range(1 + options.runs):  # one untimed run comes first
        for kept in (False, True):
            measured = measure(kept, options.tiny)
            seconds[kept] += [measured] if run else []
    yield {"keys and values": "source", **oracle.quality(source, source.draw(count, seed=1))}
    for num_steps in (2, 4, 8):
        for kept in (False, True):
            row = {"keys and values": "kept" if kept else "computed at each step"}
            row |= {"steps of a block": num_steps}
            row |= oracle.quality(source, drawn(model, kept, count, num_steps))
            if num_steps == 8:
                row |= {name: [each[name] for each in seconds[kept]] for name in seconds[kept][0]}
                row |= {"prediction_distance": error} if kept else {}
            yield row


def trained(steps: int):
    """An `MD4` of a small DiT, trained on texts of one window."""
    import keras

    from md4keras import MD4, networks
    from md4keras.evaluation import oracle

    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 64, "feature_dim": 32}
    model = MD4(networks.DiT(STATES, WINDOW, **sizes), seed=0)
    rate = keras.optimizers.schedules.CosineDecay(1e-2, steps)
    model.compile(keras.optimizers.Muon(rate, weight_decay=0.0))
    x = oracle.Markov.random(STATES, WINDOW).draw(64 * steps, seed=1)
    model.fit(x, batch_size=64, verbose=0)
    return model


def drawn(model, kept: bool, count: int, num_steps: int):
    """Texts of `LENGTH` tokens, int32 `[count, LENGTH]`."""
    import numpy as np

    how = {"block_length": BLOCK, "num_steps": num_steps, "prefix_cache": kept}
    return np.concatenate(list(model.generate_blocks(count, LENGTH, **how)), axis=1)


def prediction_distance(model, x) -> float:
    """The mean total variation distance of predictions with kept keys, on rows `[B, WINDOW]`."""
    import numpy as np
    from keras import ops

    before = WINDOW - BLOCK
    behind, shown = np.arange(WINDOW) >= before, np.random.default_rng(0).random(x.shape) < 0.5
    masks = np.where(behind, model.mask_token, x).astype("int32")
    half = np.where(behind & ~shown, model.mask_token, x).astype("int32")
    cache = model.network.empty_cache(len(x), before)
    cache = model.cache_after(cache, ops.convert_to_tensor(masks), count=before)
    kept = model.logits_after(cache, ops.convert_to_tensor(half[:, before:]))
    whole = model.predict_logits(half, None)[:, before:]
    kept, whole = (ops.convert_to_numpy(ops.softmax(each, axis=-1)) for each in (kept, whole))
    distances = 0.5 * np.abs(kept - whole).sum(axis=-1)
    return float(distances[(half == model.mask_token)[:, before:]].mean())


_MODELS = []


def measure(kept: bool, tiny: bool) -> dict:
    """Seconds and busy seconds of drawing one text."""
    from md4keras import MD4, networks

    if not _MODELS:
        _MODELS.append(MD4(networks.DiT(27, 256, num_layers=4, num_heads=4, hidden_dim=128)))
    how = {**TIMED, "length": 64} if tiny else TIMED
    return timed(lambda: list(_MODELS[0].generate_blocks(1, prefix_cache=kept, **how)))
