"""Character-level text from Python's own documentation; needs no download.

    python -m train.pydoc                      # two free CPU cores: half an hour
    python -m train.pydoc --data FILE.txt      # or your own text of 1,280 characters or more

Expect about 2.21 bits per character, under the trigram's 2.57. Network and optimizer are our own,
small ones, not a published setting.
"""

from . import loop
from .recipe import Recipe

RECIPE = Recipe(
    name="pydoc",
    description=__doc__,
    source="pydoc",
    own="text_files",
    settings={
        "steps": 5000,
        "batch_size": 32,
        "interval": 500,
        "sequence_length": 128,
        "network": "Transformer",
        "network.num_layers": 4,
        "network.num_heads": 4,
        "network.feature_dim": 32,
        "network.time_features": "none",
        "network.remat": None,  # small: memory is no matter, and this is faster
        "optimizer": "muon",
        "optimizer.learning_rate": 2e-2,
        "optimizer.warmup_steps": 30,
    },
)
DEMO = RECIPE.but(steps=600, interval=150)

if __name__ == "__main__":
    loop.main(RECIPE)
