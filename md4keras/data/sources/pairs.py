"""The user's own prompts and answers, to be learnt as answers given their prompts."""

from md4keras.data.document_files import records
from md4keras.data.folders import facts_of_files, printable
from md4keras.data.source import Source, Splits
from md4keras.data.sources.own_documents import hold_out, read_bounded

FIELDS = ("prompt", "answer")


class Pairs(Source):
    """Prompts and answers, the entries or columns `prompt` and `answer` of records.

    Example:

    >>> from pathlib import Path
    >>> Path("mine.csv").write_text("prompt,answer\\n1 + 1,2\\n1 + 2,3\\n")
    30
    >>> md4keras.data.pairs("mine.csv", validation_fraction=None).training
    [('1 + 1', '2'), ('1 + 2', '3')]
    """

    name, kind = "pairs", "text"
    licence, home = "your own", "a path"

    def __call__(
        self, path, validation_fraction: float | None = 0.1, skip_bad: bool = False
    ) -> Splits:
        """Two lists of pairs `(prompt, answer)` of strings.

        Args:
            path: of a file `.jsonl`, `.csv`, `.tsv` or `.parquet`, each also `.gz`, or of a folder
                of them.
            validation_fraction: float in `(0, 1)`, the part that is held out, spread evenly over
                the pairs; `None` for nothing.
            skip_bad: bool, as of `md4keras.data.documents`.

        Raises:
            ValueError: if there are none, or too few to hold any out, more than fit in memory, or
                for an answer that is empty.
        """
        files = records(path, FIELDS, skip_bad)
        texts = (pair for file in files.files for _, pair in files.texts(file))
        pairs = read_bounded(texts, path, lambda pair: sum(map(len, pair)))
        for number, (_, answer) in enumerate(pairs, 1):
            if not answer.strip():
                raise ValueError(
                    "A pair has no answer, so nothing could be learnt from it. Expected a text. "
                    f"Received: answer={answer!r} of pair {number} in {printable(path)!r}. Leave "
                    "it out."
                )
        training, validation, split = hold_out(pairs, validation_fraction, "pairs", path)
        facts = facts_of_files(self.name, files.path, files.files, files.skipped, files.ignored)
        characters = sum(len(text) for pair in pairs for text in pair)
        facts |= {"pairs": len(pairs), "characters": characters, "split": split}
        return Splits(training, validation, facts=facts)


pairs = Pairs()
