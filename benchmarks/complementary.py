"""Pairs of complementary masks against masks of their own, at the same cost.

A pair is one example twice, at times `t` and `1 - t` with uniforms `u` and `1 - u`: what one
masking hides the other shows, so each token is predicted once in a pair. A step costs as many rows
as before, and sees half as many examples. On an eight-state Markov source, at the weights that
plain training has reached: the standard deviation of a step's loss, and the mean square of the
gradient's norm, which is the noise plus the square of the mean gradient, the same for both; and
what both have reached after as many steps of their own, in nats a token. With 95 % intervals over
the runs.
"""

STATES, LENGTH = 8, 32


def add_arguments(parser) -> None:
    add = parser.add_argument
    add("--pair-rows", type=int, default=32, help="rows of a step (default: 32)")
    add("--pair-steps", type=int, default=1000, help="of training (default: 1000)")
    add("--pair-draws", type=int, default=400, help="steps whose noise is measured (default: 400)")


def rows(options):
    """One row for each kind of masks, with the figures of each run."""
    import numpy as np

    from md4keras import MD4
    from md4keras.evaluation import oracle

    steps, draws = (3, 4) if options.tiny else (options.pair_steps, options.pair_draws)
    source = oracle.Markov.random(STATES, LENGTH)
    held_out = source.draw(16 if options.tiny else 512, seed=2**31)
    found = {"apart": [], "pairs": []}
    for seed in range(options.runs):
        plain = None
        for name, kind in (("apart", MD4), ("pairs", paired_model())):
            model = new_model(kind, source, seed)
            model.fit(*batches(source, name, options.pair_rows, steps, seed), verbose=0)
            nats, _ = model.score(held_out, num_samples=4)
            plain = model.get_weights() if plain is None else plain
            loss, squares = noise(model, plain, source, name, options.pair_rows, draws, seed)
            found[name].append((loss, squares, float(np.mean(nats)) / LENGTH))
    for name, each in found.items():
        loss, squares, nats = map(list, zip(*each, strict=True))
        yield {"masks": name, "loss": loss, "gradient": squares, "nats": nats}


def paired_model():
    """`MD4` whose rows `2 i` and `2 i + 1`, the same example, have complementary masks."""
    from keras import ops

    from md4keras import MD4, forward_process

    class Paired(MD4):
        def draw_maskings(self, x, counted=None, unscored=None):
            half, seeds = ops.shape(x)[0] // 2, self.seed_generator
            t = forward_process.sample_times(half, seeds, self.time_sampling)
            u = forward_process.noise_of_rows((half, *ops.shape(x)[1:]), seeds)
            t, u = (
                ops.reshape(ops.stack([each, 1.0 - each], axis=1), (-1, *ops.shape(each)[1:]))
                for each in (t, u)
            )
            t = ops.clip(t, 2.0**-24, 1.0)
            t, zt = self._mask_at(x, t, u, unscored)
            return t, (zt,)

    return Paired


def new_model(kind, source, seed: int):
    """An untrained model of a small network."""
    import keras

    from md4keras.networks import Transformer

    keras.utils.set_random_seed(seed)
    network = Transformer(STATES, LENGTH, 1, 2, 16, time_features="none")
    model = kind(network, seed=seed)
    model.compile(keras.optimizers.AdamW(3e-3))
    return model


def batches(source, name: str, size: int, steps: int, seed: int):
    """Examples for `fit`: as arrays, `steps` batches of `size` rows, unshuffled."""
    import keras
    import numpy as np

    copies = 2 if name == "pairs" else 1
    x = np.repeat(source.draw(steps * size // copies, seed), copies, axis=0)

    class Batches(keras.utils.PyDataset):
        def __len__(self):
            return steps

        def __getitem__(self, number):
            return (x[number * size : (number + 1) * size],)

    return (Batches(),)


def noise(model, weights, source, name, size, draws, seed) -> tuple[float, float]:
    """The deviation of a step's loss, nats a token, and the mean square of the gradient's norm."""
    import keras
    import numpy as np

    model.set_weights(weights)
    model.compile(keras.optimizers.SGD(0.0))
    (data,), logs = batches(source, name, size, draws, seed + 2**16), []
    for number in range(draws):
        model.reset_metrics()
        step = model.train_on_batch(*data[number], return_dict=True)
        logs.append((float(step["loss"]), float(step["grad_norm"])))
    loss, norm = np.array(logs).T
    return float(loss.std(ddof=1)), float(np.mean(norm**2))


def markdown(rows: list[dict]) -> str:
    """Each figure with its interval, and the pairs' over those of masks apart, run by run."""
    import numpy as np

    from benchmarks.genmd4 import interval
    from benchmarks.tables import markdown_table

    figures = {
        "deviation of the loss": "loss",
        "mean square of the gradient": "gradient",
        "nats a token reached": "nats",
    }
    values = {row["masks"]: {key: np.array(row[key]) for key in figures.values()} for row in rows}
    lines = [
        {"masks": name} | {title: interval(each[key]) for title, key in figures.items()}
        for name, each in values.items()
    ]
    if len(values) == 2:
        apart, pairs = values["apart"], values["pairs"]
        ratios = {title: interval(pairs[key] / apart[key]) for title, key in figures.items()}
        lines.append({"masks": "pairs over apart"} | ratios)
    return markdown_table(lines)
