"""OpenWebText, the published settings: MD4-S, MD4-M and GenMD4-S, rows of 1,024 word pieces.

    md4keras data prepare openwebtext --out data/openwebtext           # once: 8 million documents
    md4keras train openwebtext --data data/openwebtext                 # MD4-S, 12 layers
    md4keras train openwebtext_medium --data data/openwebtext          # MD4-M, 24 layers
    md4keras train genmd4_openwebtext --data data/openwebtext          # GenMD4-S

--data also takes documents of your own. Hardware: accelerators; a step of MD4-S is about 420 TFLOP,
so a GPU at 400 TFLOP/s takes two weeks, for MD4-M about three times and for GenMD4 twice as long.
The authors had at most 128 rows on eight A100. Expect perplexities of at most 22.13 (MD4-S), 16.64
(MD4-M) and 21.80 (GenMD4-S), the paper's figures as remembered; not run here.
"""

from . import loop
from .recipe import Recipe

RECIPE = Recipe(
    name="openwebtext",
    description=__doc__,
    source="openwebtext",
    own="own_documents",
    settings={
        "steps": 1_000_000,
        "batch_size": 512,
        "interval": 5000,
        "sequence_length": 1024,
        "rows": "joined",
        "tokenizer": "gpt2_base_en",
        "network": "Transformer",
        "network.num_layers": 12,
        "network.num_heads": 12,
        "network.feature_dim": 64,
        "network.mlp_type": "glu",
        "network.conditioning_type": "adaln_zero",
        "network.depth_scaled_init": True,
        "network.dropout": 0.02,
        "optimizer": "adamw",
        "optimizer.learning_rate": 3e-4,
        "optimizer.warmup_steps": 2000,
        "optimizer.weight_decay": 0.03,
        "sampling.num_steps": 1000,
    },
)
_LARGER = {"network.num_layers": 24, "network.num_heads": 16, "network.dropout": 0.0}
_MEDIUM = {**_LARGER, "model.schedule": "cosine", "sampling.time_grid": "uniform"}
MEDIUM = RECIPE.variant("openwebtext_medium", _MEDIUM)
# 50,259 values, as published: two of them occur in no text.
GENMD4 = RECIPE.variant("genmd4_openwebtext", {"model": "GenMD4", "spare_tokens": 2})

if __name__ == "__main__":
    loop.main(RECIPE)
