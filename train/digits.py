"""Class-conditional handwritten digits, 8 x 8 pixels in 17 grey levels; needs no download.

    python -m train.digits                 # two CPU cores: 13 minutes
    python -m train.digits --data FOLDER   # or your own images, one sub-folder a class

Expect about 1.71 bits per dimension; a histogram of each pixel has 2.44. Network and optimizer
are our own, small ones, not a published setting.
"""

import dataclasses

import md4keras

from . import inputs, loop, optimizers
from .recipe import Recipe


def data(options):
    if options.data:
        splits = md4keras.data.image_folder(options.data, (8, 8, 1), levels=17)
    else:
        splits = md4keras.data.digits()
    return inputs.of_images(splits, 17, options, baselines=md4keras.data.digits.baselines)


def model(options, data):
    network = md4keras.networks.UNet(
        vocabulary_size=17,
        image_shape=(8, 8, 1),
        num_layers=1,
        feature_dim=64,
        num_classes=len(data.class_names),
        dropout=0.05,
        remat=None,  # small: memory is no matter, and this is faster
    )
    return md4keras.MD4(network)


RECIPE = Recipe(
    name="digits",
    description=__doc__,
    data=data,
    model=model,
    optimizer=lambda steps: optimizers.clipped_adamw(steps, 3e-3, warmup_steps=20),
    steps=1500,
    batch_size=64,
    interval=250,
)
DEMO = dataclasses.replace(RECIPE, steps=600, interval=150)

if __name__ == "__main__":
    loop.main(RECIPE)
