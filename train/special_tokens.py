"""Special tokens beside those of a tokenizer, and tokenizers that differ in them alone."""

from md4keras import tokenizers


def add_spare(tokenizer, count: int):
    """A tokenizer with so many ids more, of special tokens that no text has.

    Args:
        tokenizer: any for a `count` of 0, else one of word pieces.
        count: int, at least 0.

    Raises:
        ValueError: for one that takes no special tokens.
    """
    if not count:
        return tokenizer
    if not isinstance(tokenizer, tokenizers.BytePairTokenizer):
        raise ValueError(
            "This tokenizer takes no special tokens. Expected word pieces along with "
            f"spare_tokens. Received: spare_tokens={count}, a {type(tokenizer).__name__}. Leave "
            "spare_tokens out."
        )
    config, first = tokenizer.get_config(), tokenizer.vocabulary_size
    kind = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    spare = [
        {"id": first + n, "content": f"<|spare_{n}|>", "special": True, **kind}
        for n in range(count)
    ]
    content = config["content"]
    content = {**content, "added_tokens": [*content["added_tokens"], *spare]}
    return type(tokenizer).from_config({**config, "content": content})


def check_same(ours, theirs, folder) -> None:
    """Raises a `ValueError` unless prepared data have the tokens of a model, spare ones aside.

    Args:
        ours: the model's tokenizer.
        theirs: that of the data.
        folder: path of the data.
    """
    spare = ours.vocabulary_size - theirs.vocabulary_size
    same = spare >= 0 and (spare == 0 or isinstance(theirs, tokenizers.BytePairTokenizer))
    if same:
        theirs = add_spare(theirs, spare)
        same = tokenizers.serialize(ours) == tokenizers.serialize(theirs)
    if not same:
        raise ValueError(
            "The data were prepared with another tokenizer than the model's. Expected the same. "
            f"Received: --data {folder} with {theirs.vocabulary_size} values, a model with "
            f"{ours.vocabulary_size}. Prepare them anew: md4keras data prepare ... --tokenizer "
            "MODEL."
        )
