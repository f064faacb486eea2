"""Character-level text from Python's own documentation; needs no download.

    python -m train.pydoc                      # two free CPU cores: half an hour
    python -m train.pydoc --data FILE.txt      # or your own text of 1,280 characters or more

Expect about 2.21 bits per character, under the trigram's 2.57. Network and optimizer are our own,
small ones, not a published setting.
"""

import dataclasses

import md4keras

from . import inputs, loop, optimizers
from .recipe import Recipe

SEQUENCE_LENGTH = 128


def data(options):
    if options.data:
        least = 10 * SEQUENCE_LENGTH
        splits = md4keras.data.text_files(options.data, min_characters=least)
    else:
        splits = md4keras.data.pydoc()
    tokenizer = md4keras.tokenizers.fit(splits.training + splits.validation)
    baselines = md4keras.data.pydoc.baselines
    return inputs.of_text(splits, tokenizer, SEQUENCE_LENGTH, options, baselines)


def model(options, data):
    network = md4keras.networks.Transformer(
        vocabulary_size=data.tokenizer.vocabulary_size,
        sequence_length=SEQUENCE_LENGTH,
        num_layers=4,
        num_heads=4,
        feature_dim=32,
        time_features="none",
        remat=None,  # small: memory is no matter, and this is faster
    )
    return md4keras.MD4(network)


RECIPE = Recipe(
    name="pydoc",
    description=__doc__,
    data=data,
    model=model,
    optimizer=lambda steps: optimizers.muon(steps, learning_rate=2e-2, warmup_steps=30),
    steps=5000,
    batch_size=32,
    interval=500,
)
DEMO = dataclasses.replace(RECIPE, steps=600, interval=150)

if __name__ == "__main__":
    loop.main(RECIPE)
