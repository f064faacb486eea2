"""CIFAR-10, the published setting: U-Net of 32 layers and width 128, batch 256.

    python -m train.cifar10                 # prepares the data set with tensorflow-datasets
    python -m train.cifar10 --data FOLDER   # or your own images, one sub-folder a class

Hardware: accelerators. Expect 2.75 bits per dimension after 2 million steps, the paper's figure;
not reproduced here.
"""

import md4keras

from . import inputs, loop, optimizers
from .recipe import Recipe

NETWORK = dict(
    vocabulary_size=256, image_shape=(32, 32, 3), num_layers=32, feature_dim=128, dropout=0.1
)


def data(options):
    if options.data:
        splits = md4keras.data.image_folder(options.data, NETWORK["image_shape"])
    else:
        splits = md4keras.data.cifar10(download=True)
    return inputs.of_images(splits, 256, options, labels=False)  # as the published model


def model(options, data):
    return md4keras.MD4(md4keras.networks.UNet(**NETWORK))


def optimizer(steps):
    return optimizers.adamw(steps, 2e-4, warmup_steps=100, weight_decay=0.01, beta_2=0.99)


RECIPE = Recipe(
    name="cifar10",
    description=__doc__,
    data=data,
    model=model,
    optimizer=optimizer,
    steps=2_000_000,
    batch_size=256,
    interval=5000,
    sample_steps=256,
)

if __name__ == "__main__":
    loop.main(RECIPE)
