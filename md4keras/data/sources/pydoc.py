"""The documentation of Python, shipped in this package: as 27 symbols, and as it stands."""

import hashlib
import importlib.resources
import json
import lzma

from md4keras.data.source import Source, Splits
from md4keras.data.text import split_text
from md4keras.tokenizers import normalise_text8

_HELD_OUT = 10  # one of so many topics, and of so many modules


class Pydoc(Source):
    """Python's documentation of its language topics in the 27 symbols of text8.

    386,903 characters, a to z and space, of which the last tenth is for validation. The text is
    shipped, so every Python version trains on the same one. `train/make_pydoc.py` made it from
    `pydoc_data.topics` of Python 3.11.7; `pydoc_LICENSE.txt` holds its licence.

    Example:

    >>> pydoc = md4keras.data.pydoc()
    >>> len(pydoc.training), len(pydoc.validation)
    (348213, 38690)
    """

    name, kind = "pydoc", "text"
    licence, home = "PSF-2.0", "https://docs.python.org"
    baselines = ("n-grams",)

    def __call__(self) -> Splits:
        """Two texts."""
        text = normalise_text8("\n".join(_read()["topics"].values()))
        split = "the last tenth of the text is held out"
        return _splits(self.name, *split_text(text), split)


class PythonDocs(Source):
    """Python's documentation as it stands: the language topics, and the standard library's strings.

    2.2 million characters. The documentation strings of a module stand in the order of its code,
    each under the name of what it documents. Every tenth topic and every tenth module are for
    validation, so that nothing is held out whose neighbour is trained on. (Topics quote one
    another: paragraphs of 4.8 % of what is held out are trained on, too.) Shipped and made like
    `Pydoc`.

    Example:

    >>> docs = md4keras.data.python_docs()
    >>> len(docs.training) > len(docs.validation) > 100_000
    True
    """

    name, kind = "python_docs", "text"
    licence, home = Pydoc.licence, Pydoc.home
    baselines = Pydoc.baselines

    def __call__(self) -> Splits:
        """Two texts."""
        found = _read()
        texts = [*found["topics"].values(), *found["modules"].values()]
        texts = [f"{text.rstrip()}\n\n" for text in texts]
        validation = "".join(texts[_HELD_OUT - 1 :: _HELD_OUT])
        training = "".join(text for n, text in enumerate(texts, 1) if n % _HELD_OUT)
        split = "every tenth topic and module is held out"
        return _splits(self.name, training, validation, split)


def _read() -> dict:
    """Texts by name, of `"topics"` and of `"modules"`."""
    packed = importlib.resources.files("md4keras.data") / "pydoc.json.xz"
    return json.loads(lzma.decompress(packed.read_bytes()))


def _splits(name: str, training: str, validation: str, split: str) -> Splits:
    text = training + validation
    facts = {
        "source": name,
        "characters": len(text),
        "split": split,
        "fingerprint": hashlib.sha256(text.encode("utf-8")).hexdigest(),
    }
    return Splits(training, validation, facts=facts)


pydoc = Pydoc()
python_docs = PythonDocs()
