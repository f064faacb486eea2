"""Several devices: batches that they cannot share evenly are filled up, and nothing else changes.

On four simulated devices, in a process of its own: their number is set before JAX starts.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

pytestmark = pytest.mark.one_backend  # Keras distributes on JAX

PROGRAM = """
import json, sys
import jax, keras, numpy as np
import md4keras

assert len(jax.devices()) == 4
rng = np.random.default_rng(0)
x, y, w = rng.integers(0, 5, (26, 8)), rng.integers(0, 3, 26), rng.random(26)

def batches(weights=True):
    for i in range(0, 26, 10):
        part = x[i : i + 10], y[i : i + 10], w[i : i + 10]
        yield part if weights else part[:2]

def padded(count):
    each = np.repeat(w[:count, None], 8, axis=1)
    mask = np.arange(8) < 1 + np.arange(count)[:, None] % 8
    batch = {"tokens": x, "label": y, "given": x == 2, "sample_weight": each}
    return {name: a[:count] for name, a in batch.items()} | {"padding_mask": mask}

def figures(cls, all_ways):
    keras.utils.set_random_seed(0)
    network = md4keras.networks.Transformer(5, 8, 1, 1, 8, num_classes=3)
    model = cls(network, seed=0)
    model.compile(keras.optimizers.SGD(0.1))
    def fit(*args, **how):
        history = model.fit(*args, shuffle=False, verbose=0, **how).history
        return [history[name][-1] for name in sorted(history)]
    held_out = md4keras.data.batches(lambda i, rng: (x[i], y[i]), 26, 7, training=False)
    if not all_ways:
        return [
            fit(x, y, batch_size=10, sample_weight=w, validation_data=(x, y, w)),
            fit(batches()),
            model.test_on_batch(x[:6], y[:6], w[:6]),
            model.test_on_batch(padded(6)),
            fit((({**padded(n), "sample_weight": w[:n]},) for n in (10, 6))),
        ]
    return [
        model.evaluate(x, y, batch_size=10, num_passes=2, verbose=0),
        model.evaluate(x, y, batch_size=8, sample_weight=w, num_passes=1, verbose=0),
        model.evaluate(batches(False), verbose=0),
        fit(x, y, batch_size=10, sample_weight=w, validation_data=(x, y, w)),
        fit(batches(), validation_data=held_out),
        fit(x, y, batch_size=9, epochs=2, validation_split=0.2),
        model.train_on_batch(x[:7], y[:7], w[:7]),
        model.test_on_batch(x[:5], y[:5]),
    ]

cls, all_ways = getattr(md4keras, sys.argv[1]), sys.argv[2] == "all"
one = figures(cls, all_ways)
keras.distribution.set_distribution(keras.distribution.DataParallel())
print(json.dumps([one, figures(cls, all_ways)]))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "name, ways",
    [("MD4", "few"), *((name, "all") for name in ("MD4", "GenMD4"))],
)
def test_uneven_batches_give_what_one_device_gives(name, ways):
    environment = {**os.environ, "XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    done = subprocess.run(
        [sys.executable, "-W", "error:::md4keras", "-c", PROGRAM, name, ways],
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    one, several = json.loads(done.stdout.splitlines()[-1])
    for alone, shared in zip(one, several, strict=True):
        np.testing.assert_allclose(shared, alone, rtol=1e-5, atol=1e-5)
