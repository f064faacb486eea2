"""Special tokens beside those of a tokenizer, and tokenizers that differ in them alone."""

from md4keras.checks import check_whole
from md4keras.tokenizers.byte_pair import BytePairTokenizer
from md4keras.tokenizers.bytes import ByteTokenizer
from md4keras.tokenizers.characters import CharacterTokenizer
from md4keras.tokenizers.tokenizer import END_TOKEN, serialize


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
    return _with_special(tokenizer, [f"<|spare_{n}|>" for n in range(count)])


def add_end(tokenizer):
    """A tokenizer with an end of text: itself if it has one, else with one id more, the last.

    Args:
        tokenizer: any; one of a class of your own is returned as it is.

    Example:

    >>> tokenizer = add_end(CharacterTokenizer("abc"))
    >>> tokenizer.end_token_id, tokenizer.vocabulary_size
    (3, 4)
    """
    if getattr(tokenizer, "end_token_id", None) is not None:
        return tokenizer
    if isinstance(tokenizer, (CharacterTokenizer, ByteTokenizer)):
        return type(tokenizer).from_config({**tokenizer.get_config(), "end_token": True})
    if isinstance(tokenizer, BytePairTokenizer):
        new = [] if END_TOKEN in tokenizer.special_tokens else [END_TOKEN]
        return _with_special(tokenizer, new, END_TOKEN)
    return tokenizer


def differ_in_spare(wider, tokenizer) -> bool:
    """Whether a tokenizer is another one with spare tokens added, or just the same."""
    count = wider.vocabulary_size - tokenizer.vocabulary_size
    if count < 0 or (count > 0 and not isinstance(tokenizer, BytePairTokenizer)):
        return False
    return serialize(wider) == serialize(add_spare(tokenizer, count))


def _with_special(tokenizer: BytePairTokenizer, names: list[str], end_token: str | None = None):
    """Word pieces with special tokens of these names as their last ids, and maybe another end."""
    config, first = tokenizer.get_config(), tokenizer.vocabulary_size
    new = [{"id": first + n, "content": name, "special": True} for n, name in enumerate(names)]
    content = config["content"]
    content = {**content, "added_tokens": [*content["added_tokens"], *new]}
    return type(tokenizer).from_config(
        {**config, "content": content, "end_token": end_token or config["end_token"]}
    )
