"""CIFAR-10, the published setting: U-Net of 32 layers and width 128, batch 256.

    python -m train.cifar10                 # prepares the data set with tensorflow-datasets
    python -m train.cifar10 --data FOLDER   # or your own images, one sub-folder a class

Hardware: accelerators. Expect 2.75 bits per dimension after 2 million steps, the paper's figure;
not reproduced here.
"""

import md4keras
from md4keras.data import images
from train import loop
from train.optimizers import adamw
from train.recipe import Data, Recipe

IMAGE_SHAPE = (32, 32, 3)


def data(options) -> Data:
    if options.data:
        training, validation, names = images.image_folder_split(options.data, IMAGE_SHAPE)
    else:
        training, validation = images.cifar10(download=True)
        names = None
    return Data(
        # The published model is not told the class.
        training=lambda start: images.image_dataset(
            training[0],
            None,
            options.batch_size,
            training=True,
            seed=options.seed,
            start_batch=start,
        ),
        validation=images.image_dataset(validation[0], None, options.batch_size, training=False),
        class_names=names,
    )


NETWORK = dict(
    vocabulary_size=256, image_shape=IMAGE_SHAPE, num_layers=32, feature_dim=128, dropout=0.1
)


def model(options, data):
    return md4keras.MD4(md4keras.networks.UNet(**NETWORK))


RECIPE = Recipe(
    name="cifar10",
    description=__doc__,
    data=data,
    model=model,
    optimizer=lambda steps: adamw(steps, 2e-4, warmup_steps=100, weight_decay=0.01, beta_2=0.99),
    steps=2_000_000,
    batch_size=256,
    interval=5000,
    sample_steps=256,
)

if __name__ == "__main__":
    loop.main(RECIPE)
