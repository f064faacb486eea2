"""The tokenizer of a converted model: the published one, in our numbering of the ids.

Here the mask is one past the last token. A published tokenizer may count it among the tokens; and
a published network may have more rows than its tokenizer has tokens.
"""

import os
from pathlib import Path

from md4keras import tokenizers
from md4keras.conversion.checkpoint_files import file_in
from md4keras.conversion.hub import TOKENIZER

NONE = "none"
"""The choice of no tokenizer, where a folder has one that cannot be used."""


def choose(chosen, folder: Path | None):
    """A tokenizer as it was published.

    Args:
        chosen: a tokenizer; where one is kept, as of `md4keras.tokenizers.named`; `"none"`; or
            `None` for that of the folder.
        folder: path of a checkpoint from the hub, or `None`.

    Returns:
        The tokenizer, or `None`.
    """
    if isinstance(chosen, (str, os.PathLike)):
        return None if chosen == NONE else tokenizers.named(chosen)
    if chosen is not None or folder is None:
        return chosen
    names = [name for name in TOKENIZER if os.path.lexists(folder / name)]
    for name in names:
        file_in(folder, name)  # refuses links that lead elsewhere
    # Not `tokenizers.load`, which would let the folder choose a class, of KerasHub's too.
    if "tokenizer.json" in names:
        return tokenizers.BytePairTokenizer.from_file(folder / "tokenizer.json")
    if {"vocab.json", "merges.txt"} <= {*names}:
        return tokenizers.BytePairTokenizer.from_gpt2(folder / "vocab.json", folder / "merges.txt")
    return None


def fitted(tokenizer, vocabulary_size: int, published_mask: int | None):
    """The same tokenizer for a model: without the mask, with a token for each of its values.

    Args:
        tokenizer: as published, or `None`.
        vocabulary_size: int `V` of the model, without the mask.
        published_mask: int, the mask's published id; `None` if it is the last, `V`.

    Raises:
        ValueError: if it has more tokens than the model, or has fewer and takes no others.

    Example:

    >>> tokenizer = tokenizers.BytePairTokenizer.train(["a cat"], 260, ["<mask>", "<end>"])
    >>> tokenizer.special_tokens
    {'<mask>': 256, '<end>': 257}
    >>> fitted(tokenizer, vocabulary_size=300, published_mask=256).special_tokens["<end>"]
    256
    """
    if tokenizer is None:
        return None
    mask = vocabulary_size if published_mask is None else published_mask
    if mask < tokenizer.vocabulary_size:
        tokenizer = tokenizers.without_token(tokenizer, mask)
    spare = vocabulary_size - tokenizer.vocabulary_size
    if spare < 0 or (spare and not isinstance(tokenizer, tokenizers.BytePairTokenizer)):
        raise ValueError(
            f"The tokenizer is not the one of this model. Expected one of {vocabulary_size} "
            "tokens, or word pieces of fewer. Received: a "
            f"{type(tokenizer).__name__} of {tokenizer.vocabulary_size}. Name the one that the "
            "model was trained with."
        )
    return tokenizers.add_spare(tokenizer, spare)
