"""The user's own text."""

from md4keras.data.source import Source, Splits
from md4keras.data.text import MAX_BYTES, read_text, split_text


class TextFiles(Source):
    """A text file, or all `*.txt` files of a folder; the end of the text is for validation."""

    name, kind = "text_files", "text"
    licence, home = "your own", "a path"

    def __call__(
        self,
        path,
        validation_fraction: float = 0.1,
        min_characters: int = 1,
        max_bytes: int = MAX_BYTES,
    ) -> Splits:
        """Two texts.

        Args:
            path, min_characters, max_bytes: as in `md4keras.data.read_text`.
            validation_fraction: float, as in `md4keras.data.split_text`.
        """
        text = read_text(path, max_bytes, min_characters)
        return Splits(*split_text(text, validation_fraction))


text_files = TextFiles()
