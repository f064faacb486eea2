"""text8, the published setting: 12 layers, 12 heads of 64, batch 512, a million steps.

    python -m train.text8                      # downloads 31 MB, with progress and checksum
    python -m train.text8 --data text8.zip     # or a local copy, zipped or not

Hardware: accelerators; a step is about 70 TFLOP, so a GPU at 400 TFLOP/s takes two days. Expect at
most 1.37 bits per character, the paper's figure as remembered; not reproduced here.
"""

import md4keras

from . import inputs, loop, optimizers
from .recipe import Recipe

NETWORK = dict(
    vocabulary_size=27,
    sequence_length=256,
    num_layers=12,
    num_heads=12,
    feature_dim=64,
    mlp_type="glu",
    conditioning_type="adaln_zero",
    depth_scaled_init=True,
    embedding="outside",
    dropout=0.05,
)


def data(options):
    splits = md4keras.data.text8(options.data)
    tokenizer = md4keras.tokenizers.CharacterTokenizer()
    baselines = md4keras.data.text8.baselines
    return inputs.of_text(splits, tokenizer, NETWORK["sequence_length"], options, baselines)


def model(options, data):
    return md4keras.MD4(md4keras.networks.Transformer(**NETWORK))


RECIPE = Recipe(
    name="text8",
    description=__doc__,
    data=data,
    model=model,
    optimizer=lambda steps: optimizers.adamw(steps, 5e-4, warmup_steps=2000, weight_decay=0.03),
    steps=1_000_000,
    batch_size=512,
    interval=5000,
    sample_steps=1000,
)

if __name__ == "__main__":
    loop.main(RECIPE)
