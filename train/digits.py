"""Class-conditional handwritten digits, 8 x 8 pixels in 17 grey levels; needs no download.

    python -m train.digits                 # two CPU cores: 10 minutes

Expect about 1.71 bits per dimension; a histogram of each pixel has 2.44. Network and optimizer
are our own, small ones, not a published setting.
"""

import dataclasses

import keras

import md4keras
from md4keras.data import images
from md4keras.evaluation import baselines
from train import loop
from train.optimizers import cosine_decay
from train.recipe import Data, Recipe


def data(options) -> Data:
    if options.data:
        training, validation, names = images.image_folder_split(options.data, (8, 8, 1), levels=17)
    else:
        (training, validation), names = images.digits(), tuple("0123456789")
    return Data(
        training=lambda start: images.image_dataset(
            *training, options.batch_size, training=True, seed=options.seed, start_batch=start
        ),
        validation=images.image_dataset(*validation, options.batch_size, training=False),
        class_names=names,
        baselines=lambda: baselines.histogram_bits(training[0], validation[0], levels=17),
    )


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


def optimizer(steps):
    """Not the published one: so short a run wants clipping and a faster average."""
    return keras.optimizers.AdamW(
        cosine_decay(steps, learning_rate=3e-3, warmup_steps=20),
        weight_decay=0.03,
        beta_2=0.99,
        global_clipnorm=1.0,
        use_ema=True,
        ema_momentum=0.99,
    )


RECIPE = Recipe(
    name="digits",
    description=__doc__,
    data=data,
    model=model,
    optimizer=optimizer,
    steps=1500,
    batch_size=64,
    interval=250,
)
DEMO = dataclasses.replace(RECIPE, steps=600, interval=150)

if __name__ == "__main__":
    loop.main(RECIPE)
