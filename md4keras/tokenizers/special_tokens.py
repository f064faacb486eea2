"""Special tokens of a tokenizer, more or fewer of them, and tokenizers that differ in them."""

from md4keras.checks import check_whole
from md4keras.tokenizers.byte_pair import BytePairTokenizer
from md4keras.tokenizers.bytes import ByteTokenizer
from md4keras.tokenizers.characters import CharacterTokenizer
from md4keras.tokenizers.descriptions import serialize
from md4keras.tokenizers.tokenizer import END_TOKEN


def special_ids(tokenizer) -> dict[str, int]:
    """The ids of a tokenizer's special tokens, by their names.

    Example:

    >>> special_ids(ByteTokenizer(end_token=True))
    {'<|endoftext|>': 256}
    """
    known = getattr(tokenizer, "special_tokens", None)
    if known is not None:
        return dict(known)
    pairs = (("end_token", "end_token_id"), ("pad_token", "padding_id"))
    found = {getattr(tokenizer, n, None): getattr(tokenizer, i, None) for n, i in pairs}
    return {name: i for name, i in found.items() if name and i is not None}


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
        ended = type(tokenizer).from_config({**tokenizer.get_config(), "end_token": True})
        ended.chat_template = tokenizer.chat_template
        return ended
    if isinstance(tokenizer, BytePairTokenizer):
        new = [] if END_TOKEN in tokenizer.special_tokens else [END_TOKEN]
        return _with_special(tokenizer, new, END_TOKEN)
    return tokenizer


def without_token(tokenizer, token: int):
    """A tokenizer without one id: later ones move down by one, and texts are encoded as before.

    For a published tokenizer that counts the mask among its tokens.

    Args:
        tokenizer: one of word pieces.
        token: int, the id of a special token, or one that no token has.

    Raises:
        ValueError: for a tokenizer of another kind, the id of a piece that texts are encoded to,
            or the start, the end or padding.

    Example:

    >>> tokenizer = BytePairTokenizer.train(["a cat"], 258, ["<mask>", "<end>"])
    >>> without_token(tokenizer, 256).special_tokens
    {'<end>': 256}
    """
    if not isinstance(tokenizer, BytePairTokenizer):
        raise ValueError(
            "Only of word pieces a token can be left out. Expected a BytePairTokenizer. Received: "
            f"a {type(tokenizer).__name__}. Take one without the token."
        )
    most = tokenizer.vocabulary_size - 1
    check_whole("token", token, 0, most, "It is the id of a special token.")
    config = tokenizer.get_config()
    content = config["content"]
    pieces = content["model"]["vocab"]
    name = next((piece for piece, number in pieces.items() if number == token), None)
    kept = (tokenizer.end_token, tokenizer.pad_token, tokenizer.start_token)
    if name is not None and (name not in tokenizer.special_tokens or name in kept):
        raise ValueError(
            "This token is needed. Expected the id of a special token that neither begins nor ends "
            f"a text nor fills a row. Received: token={token}, {name!r}. Check the mask's id."
        )
    moved = {piece: n - (n > token) for piece, n in pieces.items() if piece != name}
    added = [each for each in content["added_tokens"] if each["content"] != name]
    added = [{**each, "id": moved[each["content"]]} for each in added]
    model = {**content["model"], "vocab": moved}
    content = {**content, "added_tokens": added, "model": model}
    fewer = type(tokenizer).from_config({**config, "content": content})
    fewer.chat_template = tokenizer.chat_template
    return fewer


def differ_in_spare(wider, tokenizer) -> bool:
    """Whether a tokenizer is another one with spare tokens added, or just the same.

    Example:

    >>> tokenizer = md4keras.tokenizers.ByteTokenizer()
    >>> differ_in_spare(tokenizer, tokenizer)
    True
    """
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
    changed = {"content": content, "end_token": end_token or config["end_token"]}
    wider = type(tokenizer).from_config({**config, **changed})
    wider.chat_template = tokenizer.chat_template
    return wider
