"""Word pieces: one token for each of the byte pairs that were joined most often."""

import functools
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import keras
import numpy as np

from md4keras import presets
from md4keras.checks import check_whole
from md4keras.files import import_optional, write_whole
from md4keras.tokenizers import byte_pair_format as form
from md4keras.tokenizers.descriptions import check_chat_template
from md4keras.tokenizers.tokenizer import END_TOKEN, Tokenizer

_END_NAMES = (END_TOKEN, "<|end_of_text|>", "</s>", "<eos>", "[EOS]")
_PAD_NAMES = ("<|padding|>", "<|pad|>", "<pad>", "[PAD]")
_LIKE_GPT2 = {"BytePair", "GPT2", "OPT", "Roberta", "Bart"}  # KerasHub's, by their names
_PIECE = 2**16  # characters of a long text that one core encodes at a time
_TOGETHER = 2**22  # characters of texts that are encoded at once: the library's results are large
_PROBE = "The fox, it's 1234\n\n  naïve\t日本 🙂_ "
_BETWEEN_WORDS = re.compile("[a-zA-Z] (?=[a-zA-Z])")


@keras.saving.register_keras_serializable(package="md4keras")
class BytePairTokenizer(Tokenizer):
    """Byte-pair encoding of bytes, as in GPT-2: any text in any language, often a word a token.

    Every text is encoded, and decoded to itself. Special tokens that are typed in a text are text.
    To encode it needs the package `tokenizers`, whose threads work on all cores; not to decode.

    Args:
        content: dict, the content of a `tokenizer.json` in the format of that package.
        end_token: str, the special token that ends a text, or `None`.
        pad_token: str, the special token that fills a row, or `None`.
        start_token: str, the special token that begins a chat, or `None`.

    Raises:
        ValueError: for the content of another kind of tokenizer, or tokens that are not special.

    Example:

    >>> tokenizer = BytePairTokenizer.train(["a cat sat on a mat"] * 9, vocabulary_size=270)
    >>> tokens = tokenizer.encode("a cat sat")
    >>> [tokenizer.decode([token]) for token in tokens]
    ['a', ' cat', ' sat']
    >>> tokenizer.decode([*tokens, tokenizer.end_token_id, *tokens])
    'a cat sat'

    Reference: Sennrich et al., 2016, https://arxiv.org/abs/1508.07909; Radford et al., 2019.
    """

    joins_spaces = True

    def __init__(
        self,
        content: dict,
        end_token: str | None = None,
        pad_token: str | None = None,
        start_token: str | None = None,
    ):
        self._content = form.checked(content)
        added = self._content["added_tokens"]
        self._bytes = form.bytes_of_ids(self._content)
        self.special_tokens = {each["content"]: each["id"] for each in added if each["special"]}
        self.end_token, self.end_token_id = end_token, self._id_of("end_token", end_token)
        self.pad_token, self.padding_id = pad_token, self._id_of("pad_token", pad_token)
        self._id_of("start_token", start_token)
        self.start_token = start_token

    @classmethod
    def from_gpt2(cls, vocabulary, merges, special_tokens=(END_TOKEN,)) -> "BytePairTokenizer":
        """From GPT-2's two files: `vocab.json` (`encoder.json`) and `merges.txt` (`vocab.bpe`).

        Args:
            vocabulary: path of a JSON file, pieces to ids.
            merges: path of a text file, a pair of pieces a line.
            special_tokens: strings, which get ids of their own where the vocabulary lacks them.
        """
        return _of_parts(
            cls, form.read_json(vocabulary), form.read_text(merges).splitlines(), special_tokens
        )

    @classmethod
    def from_file(cls, path, end_token=None, pad_token=None) -> "BytePairTokenizer":
        """From a `tokenizer.json`.

        A chat template is taken from a `chat_template.jinja` beside it, or else from that
        `tokenizer_config.json`, as is the token that begins a chat.

        Args:
            path: of the file.
            end_token, pad_token: str, names of special tokens; `None` for what a
                `tokenizer_config.json` beside the file says, or else the usual names.
        """
        content, beside = form.read_json(path), Path(path).with_name("tokenizer_config.json")
        told = form.read_json(beside) if beside.is_file() else {}
        told = told if isinstance(told, dict) else {}
        added = form.checked(content)["added_tokens"]
        names = [each["content"] for each in added if each["special"]]
        end_token = end_token or _told(told.get("eos_token"), names) or _usual(_END_NAMES, names)
        pad_token = pad_token or _told(told.get("pad_token"), names) or _usual(_PAD_NAMES, names)
        start_token = _told(told.get("bos_token"), names)
        tokenizer = cls(content, end_token, pad_token, start_token)
        tokenizer.chat_template = _template_of(path, told.get("chat_template"))
        found = tokenizer.decode(tokenizer.encode(_PROBE))
        if found != _PROBE:  # whatever the reason
            raise ValueError(
                "This tokenizer.json changes texts. Expected one that decodes what it encodes. "
                f"Received: {found!r} for {_PROBE!r}. Take another tokenizer."
            )
        return tokenizer

    @classmethod
    def from_preset(cls, preset: str) -> "BytePairTokenizer":
        """From a KerasHub preset of the kind of GPT-2's, such as `"gpt2_base_en"`.

        KerasHub reads it (a name or handle is downloaded). The pieces are those of the preset; a
        text is cut into words as in GPT-2, whereas KerasHub 0.32 outside of TensorFlow's graphs
        cuts as Llama 3 does (numbers after three digits, say).

        Args:
            preset: str, a name, a handle (`hf://`, `kaggle://`), or a folder; or the name or folder
                of a saved model of this package.
        """
        if _is_ours(preset):
            return super().from_preset(preset)
        hub = import_optional("keras_hub", "reads presets", "keras-hub")
        for path in Path(preset).glob("assets/tokenizer/*"):  # of a folder
            form.read_bytes(path)  # of bounded size
        try:
            found = hub.tokenizers.Tokenizer.from_preset(str(preset))
        except Exception as error:  # a folder that is none fails in many ways
            raise ValueError(
                f"KerasHub cannot read this preset ({str(error)[:300]}). Expected a name such as "
                f"gpt2_base_en, a handle, or a folder. Received: preset={str(preset)!r}. Check it, "
                "and the network."
            ) from error
        name = type(found).__name__.removesuffix("Tokenizer")
        if name not in _LIKE_GPT2 or getattr(found, "add_prefix_space", False):
            raise ValueError(
                "The preset's tokenizer is of another kind. Expected one that cuts words as GPT-2 "
                f"does, of {sorted(_LIKE_GPT2)}. Received: {type(found).__name__}. Take the "
                "tokenizer.json of the published model."
            )
        special = [token for token in found.special_tokens if token in found.vocabulary]
        return _of_parts(cls, dict(found.vocabulary), found.merges, list(dict.fromkeys(special)))

    @classmethod
    def train(
        cls, texts: Iterable[str], vocabulary_size: int = 8192, special_tokens=(END_TOKEN,)
    ) -> "BytePairTokenizer":
        """Joins the most frequent pairs of a corpus, time after time.

        The same texts in the same order give the same tokenizer.

        Args:
            texts: strings, such as the documents; read once, one after the other.
            vocabulary_size: int, pieces and special tokens together; fewer where the texts have
                no more pairs that occur twice.
            special_tokens: strings, the last ids of the vocabulary. One with a usual name for
                the end of a text or for padding is `end_token` or `pad_token`.
        """
        library, special = _library(), [*dict.fromkeys(special_tokens)]
        mend = "8192 suits a book, 50257 is GPT-2's."
        check_whole("vocabulary_size", vocabulary_size, 256 + len(special), form.MOST_IDS, mend)
        trained = library.Tokenizer(library.models.BPE())
        trained.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        trainer = library.trainers.BpeTrainer(
            vocab_size=vocabulary_size - len(special),
            initial_alphabet=sorted(form.BYTE_OF_SYMBOL),
            min_frequency=2,
            show_progress=False,
        )
        texts = map(_unicode, [texts] if isinstance(texts, str) else texts)
        trained.train_from_iterator((part for text in texts for part in _parts(text)), trainer)
        model = json.loads(trained.to_str())["model"]
        taken = [name for name in special if name in model["vocab"]]
        if taken:
            raise ValueError(
                "A special token is a piece of the texts. Expected names that no text has. "
                f"Received: special_tokens={taken}. Write {END_TOKEN}, for instance."
            )
        return _of_parts(cls, model["vocab"], model["merges"], special)

    @property
    def vocabulary_size(self) -> int:
        """The number of ids, special tokens included; the mask is not counted."""
        return len(self._bytes)

    def encode(self, text: str, special_tokens: bool = False) -> np.ndarray:
        """Turns text into tokens, int32 `[length]`.

        Args:
            text: str. A lone half of a surrogate pair is encoded as `?`.
            special_tokens: bool, whether the names of special tokens in the text are those tokens.
        """
        if special_tokens and self.special_tokens:
            names = sorted(self.special_tokens, key=len, reverse=True)
            cut = re.split(f"({'|'.join(map(re.escape, names))})", text)
            texts, ids = self.encode_batch(cut[::2]), [self.special_tokens[n] for n in cut[1::2]]
            ids = [[number] for number in ids] + [[]]
            found = [each for pair in zip(texts, ids, strict=True) for each in pair]
        else:
            found = self._encoded(_parts(text) if form.splits_as_gpt2(self._content) else [text])
        return np.concatenate([np.zeros(0, "int32"), *found]).astype("int32")

    def encode_batch(self, texts) -> list[np.ndarray]:
        """The tokens of each of several texts, int32 `[length]` each, on all cores."""
        texts = [(text, len(text) > 2 * _PIECE) for text in texts]
        short = self._encoded(text for text, is_long in texts if not is_long)
        return [self.encode(text) if is_long else next(short) for text, is_long in texts]

    def decode_run(self, ids) -> str:
        return b"".join([self._bytes[i] for i in ids.tolist()]).decode("utf-8", "replace")

    def bytes_of(self, token: int) -> bytes:
        """What a token stands for in a text in UTF-8, maybe a part of a character."""
        return self._bytes[token]

    def save(self, path: str | os.PathLike) -> Path:
        """Writes a `tokenizer.json` that the package `tokenizers` and others read, whole.

        That format has no place for the chat template and the names of the end, padding and start;
        `save_to_preset` keeps them.
        """
        return write_whole(path, json.dumps(self._content, indent=1) + "\n")

    def get_config(self) -> dict:
        names = {"end_token": self.end_token, "pad_token": self.pad_token}
        if self.start_token is not None:
            names["start_token"] = self.start_token
        return {"content": self._content, **names}

    @functools.cached_property
    def _encoder(self):
        """The library's tokenizer, made when the first text is encoded."""
        content = form.without_special_tokens(self._content)
        try:
            return _library().Tokenizer.from_str(json.dumps(content))
        except ImportError:
            raise
        except Exception as error:  # the library's own
            raise ValueError(
                f"The content makes no tokenizer ({error}). Expected that of a tokenizer.json. "
                f"Received: pre_tokenizer={str(content['pre_tokenizer'])[:300]}. Save the "
                "tokenizer anew."
            ) from error

    def _encoded(self, texts: Iterable[str]) -> Iterator[np.ndarray]:
        """The tokens of each text, some texts at a time."""
        for some in _groups(map(_unicode, texts)):
            try:
                found = self._encoder.encode_batch_fast(some, add_special_tokens=False)
            except BaseException as error:
                if type(error).__name__ != "PanicException":  # which is no `Exception`
                    raise
                raise ValueError(
                    f"The tokenizer cannot cut this text into words ({error}). Expected patterns "
                    "that end soon. Received: pre_tokenizer="
                    f"{str(self._content['pre_tokenizer'])[:300]}. Take another tokenizer."
                ) from None
            yield from (np.array(each.ids, "int32") for each in found)

    def _id_of(self, argument: str, name: str | None) -> int | None:
        if name is None or name in self.special_tokens:
            return self.special_tokens.get(name)
        raise ValueError(
            f"`{argument}` is no special token. Expected one of {list(self.special_tokens)[:20]}. "
            f"Received: {argument}={name!r}. Add it to the special tokens."
        )


def _of_parts(cls, vocabulary, merges, special_tokens):
    """A tokenizer of pieces, and of lines `"a b"`, of which the first may tell a version."""
    merges, names = list(merges), list(special_tokens)
    merges = merges[1:] if merges and str(merges[0]).startswith("#version:") else merges
    merges = [merge for merge in merges if merge]
    content = form.content_of(vocabulary, merges, names)
    return cls(content, _usual(_END_NAMES, names), _usual(_PAD_NAMES, names))


def _is_ours(preset) -> bool:
    """Whether a preset holds a tokenizer of this package, and not one of KerasHub's classes."""
    if preset in presets.shipped():
        return True
    file = Path(preset) / presets.layout.TOKENIZER
    content = form.read_json(file) if file.is_file() else None
    return isinstance(content, dict) and "class" in content


def _template_of(path, told) -> str | None:
    """The chat template beside a tokenizer's file; of several that are told the usual one."""
    beside = Path(path).with_name("chat_template.jinja")
    if beside.is_file():
        told = form.read_text(beside)
    if isinstance(told, list):
        named = [each for each in told if isinstance(each, dict)]
        told = next((e.get("template") for e in named if e.get("name") == "default"), None)
    return None if told is None else check_chat_template(told)


def _parts(text: str) -> Iterator[str]:
    """A long text in parts that GPT-2's pattern cuts there too: before the space before a word."""
    start = 0
    while len(text) - start > _PIECE:
        found = _BETWEEN_WORDS.search(text, start + _PIECE)
        if found is None:
            break
        yield text[start : found.start() + 1]
        start = found.start() + 1
    yield text[start:]


def _groups(texts: Iterable[str]) -> Iterator[list[str]]:
    """Texts in lists of about `_TOGETHER` characters."""
    some, size = [], 0
    for text in texts:
        some.append(text)
        size += len(text) + 64
        if size >= _TOGETHER:
            yield some
            some, size = [], 0
    if some:
        yield some


def _unicode(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _usual(usual, names) -> str | None:
    return next((name for name in usual if name in names), None)


def _told(entry, names) -> str | None:
    name = entry.get("content") if isinstance(entry, dict) else entry
    return name if isinstance(name, str) and name in names else None


def _library():
    return import_optional("tokenizers", "encodes word pieces")
