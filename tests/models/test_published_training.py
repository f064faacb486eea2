"""Sixty steps of the published optimisation, on the same times and masks: the same losses."""

import json

import numpy as np
from keras import ops

from md4keras import MD4
from md4keras.conversion import build_network, load_network
from tests.reference import load_reference, reference_params
from train.optimizers import adamw


class Given(MD4):
    """Trains on times and maskings that it is given."""

    def __init__(self, network, batch_size):
        super().__init__(network)
        shape = (batch_size, *network.data_shape)
        self.t = self.add_weight((batch_size,), "zeros", dtype="float32", trainable=False)
        self.zt = self.add_weight(shape, "zeros", dtype="int32", trainable=False)

    def draw_maskings(self, x):
        return ops.convert_to_tensor(self.t), (ops.convert_to_tensor(self.zt),)


def test_the_loss_follows_the_published_one():
    reference = load_reference("md4_training")
    config = json.loads(str(reference["config"]))
    constructor, published = config["constructor"], config["optimizer"]
    names = ("noise_schedule_type", "cont_time", "timesteps")
    network = build_network({k: v for k, v in constructor.items() if k not in names})
    load_network(network, reference_params(reference))
    model = Given(network, len(reference["x"][0]))
    model.compile(
        adamw(
            published["steps"],
            published["learning_rate"],
            published["warmup_steps"],
            weight_decay=published["weight_decay"],
            beta_2=published["b2"],
            ema_momentum=published["ema_rate"],
        )
    )
    losses = []
    for x, t, zt in zip(*(reference[name] for name in ("x", "t", "zt")), strict=True):
        model.t.assign(t)
        model.zt.assign(zt.astype("int32"))
        model.reset_metrics()
        logs = model.train_on_batch(x.astype("int32"), return_dict=True)
        losses.append(float(logs["bits_per_dim"]))
    errors = np.abs(losses - reference["loss"])
    assert errors[:10].max() < 1e-3 and errors[:50].max() < 2e-3
