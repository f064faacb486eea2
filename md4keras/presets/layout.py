"""The files of a saved model, which is a preset: their names and sizes, and whether they are there.

```
config.json         the model (network, schedule, objective), as Keras serialises it
model.weights.h5    all weights (the averaged ones, where training averaged)
adapters.lora.h5    if the network has adapters (LoRA): these, apart from its weights
tokenizer.json      if the model has a tokenizer
recipe.json         if the model has a recipe: how it was trained, and what it reached
metadata.json       versions, and a checksum of each file above
README.md           the model card, if there is one
```

KerasHub's presets have the first three and metadata.json under these names.
"""

import os
from pathlib import Path

CONFIG, WEIGHTS, METADATA = "config.json", "model.weights.h5", "metadata.json"
ADAPTERS = "adapters.lora.h5"
TOKENIZER, RECIPE, CARD = "tokenizer.json", "recipe.json", "README.md"

CHECKED = (CONFIG, WEIGHTS, ADAPTERS, TOKENIZER, RECIPE)
"""Files whose checksums are in the metadata."""

FILES = (*CHECKED, METADATA, CARD)

MOST_BYTES = {
    CONFIG: 2**20,  # a network of this package needs a thousandth of it
    TOKENIZER: 2**25,
    RECIPE: 2**24,
    METADATA: 2**24,
    CARD: 2**22,
}
"""Of each file that is read whole. How large the weights may be, the configuration says."""


def is_saved_model(folder: str | os.PathLike) -> bool:
    """Whether a folder looks like a saved model (without loading it).

    Example:

    >>> md4keras.presets.is_saved_model("no such folder")
    False
    """
    return (Path(folder) / METADATA).is_file() and (Path(folder) / CONFIG).is_file()
