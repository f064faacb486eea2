"""The documentation of Python, shipped in this package."""

import hashlib
import importlib.resources
import lzma

from md4keras.data.source import Source, Splits
from md4keras.data.text import split_text


class Pydoc(Source):
    """Python's documentation of its language topics in the 27 symbols of text8.

    386,903 characters, a to z and space, of which the last tenth is for validation. The text is
    shipped (70 kB), so every Python version trains on the same one. `train/make_pydoc.py` made it
    from `pydoc_data.topics` of Python 3.11.7; `pydoc_LICENSE.txt` holds its licence.
    """

    name, kind = "pydoc", "text"
    licence, home = "PSF-2.0", "https://docs.python.org"
    baselines = ("n-grams",)

    def __call__(self) -> Splits:
        """Two texts."""
        packed = importlib.resources.files("md4keras.data") / "pydoc.txt.xz"
        text = lzma.decompress(packed.read_bytes())
        facts = {
            "source": self.name,
            "characters": len(text),
            "split": "the last tenth of the text is held out",
            "fingerprint": hashlib.sha256(text).hexdigest(),
        }
        return Splits(*split_text(text.decode("ascii")), facts=facts)


pydoc = Pydoc()
