"""ImageNet at 64 x 64, the published settings: a U-Net round a transformer of 20 layers.

    md4keras data prepare imagenet64 --out data/imagenet64             # once; 16 GB
    md4keras train imagenet64 --data data/imagenet64
    md4keras train imagenet64_best_likelihood --data data/imagenet64   # 24 blocks, 12 layers

--data also takes your own images, one sub-folder a class, or imagenet64_classes prepared; with
--set labels=true the model is told the class. Hardware: accelerators; by a count of its products a
step is some 900 TFLOP (of the deeper one 1,300), so a GPU at 400 TFLOP/s takes seven weeks (ten).
Expect 3.40 bits per dimension, the paper's figure (of 198 million parameters); not run here.
"""

from . import loop
from .recipe import Recipe

RECIPE = Recipe(
    name="imagenet64",
    description=__doc__,
    source="imagenet64",
    own="image_folder",
    settings={
        "steps": 2_000_000,
        "batch_size": 512,
        "interval": 5000,
        "image_shape": (64, 64, 3),
        "levels": 256,
        "labels": False,  # as the published model
        "network": "UViT",
        "network.num_layers": 8,
        "network.feature_dim": 256,
        "network.num_dit_layers": 20,
        "network.num_heads": 12,
        "network.hidden_dim": 768,
        "network.channel_multipliers": (1,),
        "network.dropout": 0.1,
        "optimizer": "adamw",
        "optimizer.learning_rate": 2e-4,
        "optimizer.warmup_steps": 100,
        "optimizer.weight_decay": 0.01,
        "optimizer.beta_2": 0.99,
        "sampling.num_steps": 256,
    },
)
_DEEPER = {"network.num_layers": 24, "network.num_dit_layers": 12}
BEST_LIKELIHOOD = RECIPE.variant("imagenet64_best_likelihood", _DEEPER)

if __name__ == "__main__":
    loop.main(RECIPE)
