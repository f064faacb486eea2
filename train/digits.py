"""Class-conditional handwritten digits, 8 x 8 pixels in 17 grey levels; needs no download.

    python -m train.digits                 # two CPU cores: 13 minutes
    python -m train.digits --data FOLDER   # or your own images, one sub-folder a class

Expect about 1.71 bits per dimension; a histogram of each pixel has 2.44. Network and optimizer
are our own, small ones, not a published setting.
"""

from . import loop
from .recipe import Recipe

RECIPE = Recipe(
    name="digits",
    description=__doc__,
    source="digits",
    own="image_folder",
    settings={
        "steps": 1500,
        "batch_size": 64,
        "interval": 250,
        "image_shape": (8, 8, 1),
        "levels": 17,
        "network": "UNet",
        "network.num_layers": 1,
        "network.feature_dim": 64,
        "network.dropout": 0.05,
        "network.remat": None,  # small: memory is no matter, and this is faster
        "optimizer": "clipped_adamw",
        "optimizer.learning_rate": 3e-3,
        "optimizer.warmup_steps": 20,
    },
)
DEMO = RECIPE.but(steps=600, interval=150)

if __name__ == "__main__":
    loop.main(RECIPE)
