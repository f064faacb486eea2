"""text8, the published setting: 12 layers, 12 heads of 64, batch 512, a million steps.

    python -m train.text8                      # downloads 31 MB, with progress and checksum
    python -m train.text8 --data text8.zip     # or a local copy, zipped or not
    md4keras train genmd4_text8                # the masking schedule of each character learned

Hardware: accelerators; a step is about 70 TFLOP, so a GPU at 400 TFLOP/s takes two days (GenMD4,
with two network calls a step, about twice as long). Expect at most 1.37 bits per character, GenMD4
1.34: the paper's figures as remembered; not run here.
"""

from . import loop
from .recipe import Recipe

RECIPE = Recipe(
    name="text8",
    description=__doc__,
    source="text8",
    own="text8",
    settings={
        "steps": 1_000_000,
        "batch_size": 512,
        "interval": 5000,
        "sequence_length": 256,
        "rows": "windows",
        "tokenizer": "text8",
        "network": "Transformer",
        "network.num_layers": 12,
        "network.num_heads": 12,
        "network.feature_dim": 64,
        "network.mlp_type": "glu",
        "network.conditioning_type": "adaln_zero",
        "network.depth_scaled_init": True,
        "network.embedding": "outside",
        "network.dropout": 0.05,
        "optimizer": "adamw",
        "optimizer.learning_rate": 5e-4,
        "optimizer.warmup_steps": 2000,
        "optimizer.weight_decay": 0.03,
        "sampling.num_steps": 1000,
    },
)
GENMD4 = RECIPE.variant("genmd4_text8", {"model": "GenMD4", "optimizer.learning_rate": 3e-4})

if __name__ == "__main__":
    loop.main(RECIPE)
