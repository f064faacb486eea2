"""CIFAR-10, the published setting: U-Net of 32 layers and width 128, batch 256.

    python -m train.cifar10                 # prepares the data set with tensorflow-datasets
    python -m train.cifar10 --data FOLDER   # or your own images, one sub-folder a class

Hardware: accelerators; a step is about 42 TFLOP, so a GPU at 400 TFLOP/s takes two and a half days.
Expect 2.75 bits per dimension after 2 million steps, the paper's figure; not run here.
"""

from . import loop
from .recipe import Recipe

RECIPE = Recipe(
    name="cifar10",
    description=__doc__,
    source="cifar10",
    own="image_folder",
    settings={
        "steps": 2_000_000,
        "batch_size": 256,
        "interval": 5000,
        "image_shape": (32, 32, 3),
        "levels": 256,
        "labels": False,  # as the published model
        "network": "UNet",
        "network.num_layers": 32,
        "network.feature_dim": 128,
        "network.dropout": 0.1,
        "optimizer": "adamw",
        "optimizer.learning_rate": 2e-4,
        "optimizer.warmup_steps": 100,
        "optimizer.weight_decay": 0.01,
        "optimizer.beta_2": 0.99,
        "sampling.num_steps": 256,
    },
)

if __name__ == "__main__":
    loop.main(RECIPE)
