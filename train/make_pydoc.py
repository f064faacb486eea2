"""Maker of the shipped corpus `md4keras.data.pydoc`: `python3.11 -m train.make_pydoc`.

Only Python 3.11.7 gives the same characters, since each release words its documentation a little
differently.
"""

import lzma
import pydoc_data.topics
import sys
import sysconfig
from pathlib import Path

import md4keras
from md4keras.tokenizers import normalise_text8

_CHANGES = """\
pydoc.txt.xz is derived from the documentation of Python {version} (the module pydoc_data.topics).
Changes made: the topics were joined in the order of their names and reduced to the letters a to z
and the space, with digits spelled out as words. Nothing else of Python is contained.
Copyright (c) 2001-2023 Python Software Foundation; All Rights Reserved. Its licence follows.

"""


def main():
    folder = Path(md4keras.data.__file__).parent
    topics = pydoc_data.topics.topics
    text = normalise_text8("\n".join(topics[name] for name in sorted(topics)))
    compressed = lzma.compress(text.encode("ascii"), preset=9 | lzma.PRESET_EXTREME)
    (folder / "pydoc.txt.xz").write_bytes(compressed)
    licence = Path(sysconfig.get_path("stdlib"), "LICENSE.txt").read_text()
    changes = _CHANGES.format(version=sys.version.split()[0])
    (folder / "pydoc_LICENSE.txt").write_text(changes + licence)
    print(f"{len(text):,} characters in {len(compressed):,} bytes")


if __name__ == "__main__":
    main()
