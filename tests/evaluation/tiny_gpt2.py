"""A GPT-2 of a few thousand numbers as a KerasHub preset: what stands in for GPT-2 large."""

import numpy as np

from md4keras.tokenizers import BytePairTokenizer

SIZES = dict(num_layers=2, num_heads=2, hidden_dim=16, intermediate_dim=32, max_sequence_length=24)
CORPUS = ["the cat sat on the mat, and the dog sat on the cat; 12345 mats. "] * 4
WHOLE = [  # no token of which is left out
    "the cat sat on the mat",
    "the dog, and the dog, and the dog, and 12345 of the cats",
    "<|endoftext|>on the mat<|endoftext|>",
    "12345 mats <|endoftext|>",
]
TEXTS = [  # the same, and what is not read
    WHOLE[0],
    WHOLE[1],
    WHOLE[2] + "the cat",
    WHOLE[3] + "the dog<|endoftext|>",
    "",
    "m",
]


def tokenizer() -> BytePairTokenizer:
    """GPT-2's way of cutting, with a few pieces of the corpus."""
    return BytePairTokenizer.train(CORPUS, vocabulary_size=290)


def weights(pieces: BytePairTokenizer) -> dict[str, np.ndarray]:
    """Random weights, by the names of `transformers` (kernels are `[in, out]` there too)."""
    generator = np.random.default_rng(0)
    width, inner = SIZES["hidden_dim"], SIZES["intermediate_dim"]
    shapes = {
        "wte.weight": (pieces.vocabulary_size, width),
        "wpe.weight": (SIZES["max_sequence_length"], width),
    }
    for i in range(SIZES["num_layers"]):
        of_block = {
            "ln_1.weight": (width,),
            "ln_1.bias": (width,),
            "attn.c_attn.weight": (width, 3 * width),
            "attn.c_attn.bias": (3 * width,),
            "attn.c_proj.weight": (width, width),
            "attn.c_proj.bias": (width,),
            "ln_2.weight": (width,),
            "ln_2.bias": (width,),
            "mlp.c_fc.weight": (width, inner),
            "mlp.c_fc.bias": (inner,),
            "mlp.c_proj.weight": (inner, width),
            "mlp.c_proj.bias": (width,),
        }
        shapes |= {f"h.{i}.{name}": shape for name, shape in of_block.items()}
    shapes |= {"ln_f.weight": (width,), "ln_f.bias": (width,)}
    return {
        name: generator.normal(size=shape, scale=0.4).astype("float32")
        for name, shape in shapes.items()
    }


def save_preset(folder) -> str:
    """Writes the preset; returns its path."""
    import keras_hub  # seconds

    pieces = tokenizer()
    backbone = keras_hub.models.GPT2Backbone(pieces.vocabulary_size, dropout=0.0, **SIZES)
    own = weights(pieces)
    backbone.token_embedding.set_weights([own["wte.weight"]])
    backbone.position_embedding.set_weights([own["wpe.weight"]])
    for i, block in enumerate(backbone.transformer_layers):
        block.set_weights(_of_block(own, f"h.{i}."))
    backbone.layer_norm.set_weights([own["ln_f.weight"], own["ln_f.bias"]])
    backbone.save_to_preset(str(folder))
    content = pieces.get_config()["content"]["model"]
    vocabulary = {**content["vocab"], "<|endoftext|>": pieces.end_token_id}
    theirs = keras_hub.models.GPT2Tokenizer(vocabulary=vocabulary, merges=content["merges"])
    theirs.save_to_preset(str(folder))
    return str(folder)


def _of_block(own: dict, at: str) -> list[np.ndarray]:
    """In KerasHub's order: the attention, its norm, the two dense layers, their norm."""
    width, heads = SIZES["hidden_dim"], SIZES["num_heads"]
    each = width // heads
    kernels = np.split(own[at + "attn.c_attn.weight"], 3, axis=1)
    biases = np.split(own[at + "attn.c_attn.bias"], 3)
    found = []
    for kernel, bias in zip(kernels, biases, strict=True):  # query, key, value
        found += [kernel.reshape(width, heads, each), bias.reshape(heads, each)]
    found += [own[at + "attn.c_proj.weight"].reshape(heads, each, width)]
    found += [own[at + "attn.c_proj.bias"]]
    names = ["ln_1.weight", "ln_1.bias", "mlp.c_fc.weight", "mlp.c_fc.bias"]
    names += ["mlp.c_proj.weight", "mlp.c_proj.bias", "ln_2.weight", "ln_2.bias"]
    return found + [own[at + name] for name in names]


def sentences(words: str, count: int, seed: int) -> list[str]:
    """Random rows of words, of 2 to 5 each."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(2, 6, count)
    return [" ".join(generator.choice(words.split(), n)) for n in lengths]


GENERATED = sentences("the cat sat on mat", 60, seed=1)
REFERENCES = sentences("the dog sat on cat 12345", 60, seed=2)
