"""The user's own prompts and answers, to be learnt as answers given their prompts."""

from md4keras.data.document_files import documents
from md4keras.data.folders import facts_of_files, printable
from md4keras.data.source import Source, Splits
from md4keras.data.sources.own_documents import hold_out, read_bounded

FIELDS = ("prompt", "answer")
_RECORDS = (".jsonl", ".ndjson", ".csv", ".tsv", ".parquet")


class Pairs(Source):
    """Prompts and answers, the entries or columns `prompt` and `answer` of records."""

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
        prompts, answers = (documents(path, field, skip_bad) for field in FIELDS)
        files = [file for file in prompts.files if file in answers.files and _has_records(file)]
        others = prompts.ignored + [file for file in prompts.files if not _has_records(file)]
        if not files:
            raise ValueError(
                "There are no pairs at this path. Expected records with a 'prompt' and an "
                f"'answer': {', '.join(_RECORDS)}, each also with .gz. "
                f"Received: path={printable(path)!r}. Write a JSON object a line, for instance."
            )
        prompts.files = answers.files = files
        texts = [read_bounded((d.text for d in column), path) for column in (prompts, answers)]
        pairs = list(zip(*texts, strict=True))
        for number, (_, answer) in enumerate(pairs, 1):
            if not answer.strip():
                raise ValueError(
                    "A pair has no answer, so nothing could be learnt from it. Expected a text. "
                    f"Received: answer={answer!r} of pair {number} in {printable(path)!r}. Leave "
                    "it out."
                )
        training, validation, split = hold_out(pairs, validation_fraction, "pairs", path)
        facts = facts_of_files(self.name, prompts.path, files, prompts.skipped, others)
        characters = sum(len(text) for pair in pairs for text in pair)
        facts |= {"pairs": len(pairs), "characters": characters, "split": split}
        return Splits(training, validation, facts=facts)


pairs = Pairs()


def _has_records(file) -> bool:
    return file.name.lower().removesuffix(".gz").endswith(_RECORDS)
