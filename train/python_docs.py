"""Word pieces of Python's whole documentation: the model behind the preset `pydoc`.

    python -m train.python_docs                # two free CPU cores: an hour; --resume goes on
    python -m train.python_docs --data FOLDER  # or your own texts, with pieces of their own

Network and optimizer are our own, small ones, not a published setting.
"""

from . import loop, pydoc

RECIPE = pydoc.RECIPE.variant(
    "python_docs",
    {
        "steps": 3000,
        "batch_size": 64,  # with 16 or less no context is learnt in so few steps
        "interval": 250,
        "tokenizer": "word_pieces",
        "vocabulary_size": 512,  # with 2,048 neither
        "sampling.num_steps": 128,
    },
    source="python_docs",
    description=__doc__,
)

if __name__ == "__main__":
    loop.main(RECIPE)
