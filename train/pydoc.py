"""Character-level text from Python's own documentation; needs no download.

    python -m train.pydoc                      # two free CPU cores: half an hour
    python -m train.pydoc --data FILE.txt      # or your own text of 1,280 characters or more

Expect about 2.21 bits per character, under the trigram's 2.57. Network and optimizer are our own,
small ones, not a published setting.
"""

import dataclasses

import md4keras
from md4keras.data import text, tokenizers
from md4keras.evaluation import baselines
from train import loop
from train.optimizers import muon
from train.recipe import Data, Recipe

SEQUENCE_LENGTH = 128


def data(options) -> Data:
    if options.data:
        characters = text.read_text(options.data, min_characters=10 * SEQUENCE_LENGTH)
        tokenizer = tokenizers.fit(characters)
    else:
        characters = text.pydoc()
        tokenizer = tokenizers.CharacterTokenizer(tokenizers.TEXT8_ALPHABET)
    training, validation = text.split_text(tokenizer.encode(characters))
    cut = (SEQUENCE_LENGTH, options.batch_size)
    return Data(
        training=lambda start: text.text_dataset(
            training, *cut, training=True, seed=options.seed, start_batch=start
        ),
        validation=text.text_dataset(validation, *cut, training=False),
        tokenizer=tokenizer,
        baselines=lambda: baselines.ngram_bits(training, validation, tokenizer.vocabulary_size),
    )


def network(vocabulary_size: int):
    return md4keras.networks.Transformer(
        vocabulary_size=vocabulary_size,
        sequence_length=SEQUENCE_LENGTH,
        num_layers=4,
        num_heads=4,
        feature_dim=32,
        time_features="none",
        remat=None,  # small: memory is no matter, and this is faster
    )


def model(options, data):
    return md4keras.MD4(network(data.tokenizer.vocabulary_size))


RECIPE = Recipe(
    name="pydoc",
    description=__doc__,
    data=data,
    model=model,
    optimizer=lambda steps: muon(steps, learning_rate=2e-2, warmup_steps=30),
    steps=5000,
    batch_size=32,
    interval=500,
)
DEMO = dataclasses.replace(RECIPE, steps=600, interval=150)

if __name__ == "__main__":
    loop.main(RECIPE)
