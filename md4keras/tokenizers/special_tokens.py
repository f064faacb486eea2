"""Special tokens beside those of a tokenizer, and tokenizers that differ in them alone."""

from md4keras.checks import check_whole
from md4keras.tokenizers.byte_pair import BytePairTokenizer
from md4keras.tokenizers.tokenizer import serialize


def add_spare(tokenizer, count: int):
    """A tokenizer with so many ids more, of special tokens that no text has.

    Args:
        tokenizer: any for a `count` of 0, else one of word pieces.
        count: int, at least 0.

    Raises:
        ValueError: for one that takes no special tokens.

    Example:

    >>> tokenizer = BytePairTokenizer.train(["a cat sat on a mat"] * 9, vocabulary_size=270)
    >>> wider = add_spare(tokenizer, 2)
    >>> wider.vocabulary_size - tokenizer.vocabulary_size, differ_in_spare(wider, tokenizer)
    (2, True)
    """
    if not check_whole("count", count, 0):
        return tokenizer
    if not isinstance(tokenizer, BytePairTokenizer):
        raise ValueError(
            "This tokenizer takes no special tokens. Expected word pieces along with "
            f"spare_tokens. Received: spare_tokens={count}, a {type(tokenizer).__name__}. Leave "
            "spare_tokens out."
        )
    config, first = tokenizer.get_config(), tokenizer.vocabulary_size
    content = config["content"]
    spare = [{"id": first + n, "content": f"<|spare_{n}|>", "special": True} for n in range(count)]
    content = {**content, "added_tokens": [*content["added_tokens"], *spare]}
    return type(tokenizer).from_config({**config, "content": content})


def differ_in_spare(wider, tokenizer) -> bool:
    """Whether a tokenizer is another one with spare tokens added, or just the same."""
    count = wider.vocabulary_size - tokenizer.vocabulary_size
    if count < 0 or (count > 0 and not isinstance(tokenizer, BytePairTokenizer)):
        return False
    return serialize(wider) == serialize(add_spare(tokenizer, count))
