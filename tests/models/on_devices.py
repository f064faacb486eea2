"""What a model computes, alone and laid out over several devices: a program, for child processes.

`python -m tests.models.on_devices MODEL NETWORK LAYOUTS WAYS [PROCESS ADDRESS]` prints a line of
JSON for each layout: `{"alone": figures, "shared": figures, "tokens": [alone, shared], "bytes":
[...]}`. WAYS says how much is computed: `least`, `few` or `all`.
"""

import json
import sys

import keras
import numpy as np

import md4keras

rng = np.random.default_rng(0)
TEXTS, IMAGES = rng.integers(0, 5, (22, 8)), rng.integers(0, 3, (22, 4, 4, 1))
LABELS, WEIGHTS = rng.integers(0, 2, 22), rng.random(22)


def network_of(kind: str, dropout: float):
    how = {"num_classes": 2, "dropout": dropout}
    if kind == "Transformer":
        return md4keras.networks.Transformer(5, 8, 1, 4, 8, **how)
    if kind == "UNet":
        return md4keras.networks.UNet(3, (4, 4, 1), 1, 64, **how)
    return md4keras.networks.UViT(3, (4, 4, 1), 1, 32, 1, 4, 32, **how)


def model_of(cls, kind: str, ways: str, processes: int):
    keras.utils.set_random_seed(0)
    # (Where several processes fill up a batch, rows have other places, and other dropout masks.)
    network = network_of(kind, dropout=0.1 if processes == 1 else 0.0)
    model = getattr(md4keras, cls)(network, seed=0)
    # (With the usual epsilon the first updates are the signs of gradients, also of those that
    # are nothing but rounding.)
    how = {"epsilon": 1e-3, "use_ema": True, "ema_momentum": 0.5, "clipnorm": 1.0}
    micro_batches = 1 if ways == "least" else 2
    model.compile(keras.optimizers.AdamW(1e-2, **how), micro_batches=micro_batches)
    return model


class Part:
    """The rows of each batch that this process brings, of a set that all know."""

    def __init__(self, process: int = 0, processes: int = 1):
        self.process, self.processes = process, processes

    def batches(self, x, size: int, dictionary: bool):
        """Batches of that many rows, of all processes together; the last may be shorter."""
        for i in range(0, len(x), size):
            places = np.arange(i, min(i + size, len(x)))
            places = np.array_split(places, self.processes)[self.process]
            if not dictionary:
                yield x[places], LABELS[places], WEIGHTS[places]
                continue
            mask = np.arange(8) < 1 + places[:, None] % 8
            yield (
                {
                    "tokens": x[places],
                    "label": LABELS[places],
                    "padding_mask": mask,
                    "given": x[places] == 2,
                    "sample_weight": np.repeat(WEIGHTS[places, None], 8, axis=1),
                },
            )


def figures(model, kind: str, part: Part, ways: str) -> tuple[list, list]:
    """Losses and other numbers, and tokens."""
    x, numbers, tokens = TEXTS if kind == "Transformer" else IMAGES, [], []

    def fit(batches):
        history = model.fit(batches, shuffle=False, verbose=0).history
        numbers.extend(history[name][-1] for name in sorted(history))

    if ways == "least":  # two batches of one size, which no number of devices divides
        fit(part.batches(x, 11, kind == "Transformer"))
        return numbers, tokens
    fit(part.batches(x, 10, kind == "Transformer"))
    tokens.append(model.generate(3, labels=1, num_steps=4).tolist())
    numbers += model.evaluate(part.batches(x, 10, kind == "Transformer"), verbose=0)
    numbers += np.concatenate(model.score(x[:3], LABELS[:3], 2, batch_size=8)).tolist()
    if ways == "all":
        fit(part.batches(x, 10, False))
        numbers += model.evaluate(part.batches(x, 10, False), verbose=0)
        zt = np.where(np.arange(x[0].size).reshape(x[0].shape) % 2, x[:8], model.mask_token)
        logits = model.predict_logits(zt, 0.5, LABELS[:8])
        numbers += np.ravel(md4keras.backend.to_numpy(logits)).tolist()
        gaps = np.arange(x[0].size).reshape(x[0].shape) % 3 == np.zeros(x[:5].shape)
        tokens.append(model.infill(x[:5], gaps, LABELS[:5], num_steps=4).tolist())
        # A plan of reveals needs one schedule for all tokens.
        for sampler in ("confidence",) if isinstance(model, md4keras.GenMD4) else ("event",):
            tokens.append(model.generate(2, 1, sampler, num_steps=4).tolist())
        if kind == "Transformer":
            given = {"tokens": x[:4], "given": x[:4] == 2, "label": LABELS[:4]}
            numbers += np.concatenate(model.score(given, num_samples=3, batch_size=5)).tolist()
            found = md4keras.evaluation.likelihood(model, (x, LABELS), num_draws=2, batch_size=7)
            numbers += [found.nats_per_dim.value, found.nats_per_dim.error]
            order = {"sampler": "confidence", "num_steps": 2, "batch_size": 3}
            numbers += model.score(x[:5], LABELS[:5], **order)[0].tolist()
            if not isinstance(model, md4keras.GenMD4):
                bracket = model.score(x[:2], LABELS[:2], num_samples=16, bracket=True)
                numbers += bracket.upper.tolist()
            lengths = [5, 8]
            tokens += [row.tolist() for row in model.generate(2, 1, num_steps=2, length=lengths)]
            blocks = model.generate_blocks(2, 6, 1, prompt=x[0, :3], num_steps=2)
            tokens += [block.tolist() for block in blocks]
    return numbers, tokens


def bytes_of(model) -> list[int]:
    """The bytes of weights, optimizer and averages: in all, and the most on one device."""
    whole, each = 0, {}
    for variable in [*model.trainable_variables, *model.optimizer.variables]:
        whole += variable.value.nbytes
        for shard in variable.value.addressable_shards:
            each[shard.device.id] = each.get(shard.device.id, 0) + shard.data.nbytes
    return [whole, max(each.values())]


def main(cls: str, kind: str, layouts: str, ways: str, process: str = "", address: str = ""):
    part = Part()
    if address:
        part = Part(int(process), 2)
        md4keras.distribution.start_processes(address, 2, part.process)
    numbers, tokens = figures(model_of(cls, kind, ways, part.processes), kind, Part(), ways)
    for layout in layouts.split(","):
        model_devices = 4 if layout == "tensor" else None
        distribution = md4keras.distribution.get(layout, model_devices=model_devices)
        with distribution.scope():
            assert md4keras.distribution.data_shard() == (part.process, part.processes)
            model = model_of(cls, kind, ways, part.processes)
            shared = figures(model, kind, part, ways)
        found = {"alone": numbers, "shared": shared[0], "tokens": [tokens, shared[1]]}
        print(json.dumps({**found, "bytes": bytes_of(model)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
