"""The data sets that are known by name: where they are published, and how the paper uses them."""

from typing import NamedTuple


class ZeroShotSet(NamedTuple):
    """How the field measures models on a set. Its empty documents count, each with its end token.

    Attributes:
        document: str, what a document is, such as `"a sentence"`.
        split: str, the published name of the split that is measured, our `"validation"`.
    """

    document: str
    split: str = "validation"


class Corpus(NamedTuple):
    """Text on the Hugging Face hub.

    Attributes:
        repository: str, its name on the hub.
        revision: str, or `None` for the newest.
        files: dictionary of the splits and the patterns of their files: a string, or a tuple of
            them, of which the first is the hub's and others are of files that copies have instead.
        rows: `"joined"`, written as rows, or `"documents"`.
        validation: float, the part of the training files that is held out; 0 where the corpus has
            a split of its own for it.
        note: str, what is said of the split.
        tokenizer: str, as of `md4keras.tokenizers.named`.
        sequence_length: int, tokens of a row.
        field: str, the column with the text.
        detokenizer: str, of `md4keras.data.detokenizers`, or `None`.
        zero_shot: a `ZeroShotSet` where the field measures models on it that were trained on other
            texts, or `None`.
    """

    repository: str
    revision: str | None
    files: dict
    rows: str
    validation: float
    note: str
    tokenizer: str = "gpt2_base_en"
    sequence_length: int = 1024
    field: str = "text"
    detokenizer: str | None = None
    zero_shot: ZeroShotSet | None = None

    @property
    def splits_itself(self) -> bool:
        """Whether the corpus has a split of its own for validation."""
        return "validation" in self.files

    def patterns(self, split: str) -> tuple[str, ...]:
        """The patterns of the files of a split, the hub's first."""
        found = self.files[split]
        return (found,) if isinstance(found, str) else found

    def usual(self, settings) -> bool:
        """Whether `Settings` hold out what is usual for the corpus, which `note` says."""
        return (settings.rows, settings.validation) == (self.rows, self.validation)


class Images(NamedTuple):
    """Images of TensorFlow Datasets.

    Attributes:
        builder: str, the name there.
        splits: dictionary of our splits and theirs.
        shape: tuple, of an image; what has another size is cut to the central square and scaled
            by area.
        with_labels: bool, whether the classes are kept.
        note: str, what is said of the split.
    """

    builder: str
    splits: dict
    shape: tuple[int, int, int]
    with_labels: bool
    note: str


_THREE = {"training": "train", "validation": "validation", "test": "test"}  # published names


def _wikitext(folder: str) -> Corpus:
    """WikiText, whose rows are lines, every other one or so empty."""
    return Corpus(
        "Salesforce/wikitext",
        None,
        {split: f"{folder}/{name}-*.parquet" for split, name in _THREE.items()},
        "documents",
        0.0,
        "its own validation lines are held out",
        detokenizer="wikitext",
        zero_shot=ZeroShotSet("a line"),
    )


def _papers(name: str) -> Corpus:
    """Scientific papers of one kind. The hub's copy of arXiv's training split may be a part."""
    return Corpus(
        "armanc/scientific_papers",
        "refs/convert/parquet",
        {split: f"{name}/*{published}/*.parquet" for split, published in _THREE.items()},
        "documents",
        0.0,
        "its own validation articles are held out",
        field="article",
        detokenizer="scientific_papers",
        zero_shot=ZeroShotSet("an article"),
    )


ZERO_SHOT = {
    "lambada": Corpus(
        "EleutherAI/lambada_openai",
        "refs/convert/parquet",
        {"validation": ("default/test/*.parquet", "*lambada_test.jsonl")},
        "documents",
        0.0,
        "it has test passages alone, to be measured on",
        detokenizer="lambada",
        zero_shot=ZeroShotSet("a passage", "test"),
    ),
    "wikitext2": _wikitext("wikitext-2-raw-v1"),
    "wikitext103": _wikitext("wikitext-103-raw-v1"),
    "ptb": Corpus(
        "ptb-text-only/ptb_text_only",
        "refs/convert/parquet",
        {
            "training": ("*/train/*.parquet", "*ptb.train.txt"),
            "validation": ("*/validation/*.parquet", "*ptb.valid.txt"),
            "test": ("*/test/*.parquet", "*ptb.test.txt"),
        },
        "documents",
        0.0,
        "its own validation sentences are held out",
        field="sentence",
        detokenizer="ptb",
        zero_shot=ZeroShotSet("a sentence"),
    ),
    "ag_news": Corpus(
        "fancyzhx/ag_news",
        None,
        {"training": "data/train-*.parquet", "validation": "data/test-*.parquet"},
        "documents",
        0.0,
        "the test articles are held out",
        zero_shot=ZeroShotSet("an article", "test"),
    ),
    "pubmed": _papers("pubmed"),
    "arxiv": _papers("arxiv"),
}
"""The sets on which the field measures models that were trained on OpenWebText, but for LM1B.

Which split is measured, and the columns, are as in the code of MDLM (Sahoo et al. 2024,
https://github.com/kuleshov-group/mdlm, `dataloader.py`). The names on the hub are as other programs
use them, those of scientific papers as remembered: none could be asked while this was written.
LAMBADA is OpenAI's form of the test passages, which is also published as `lambada_test.jsonl`.
"""

KNOWN = {
    "openwebtext": Corpus(
        "Skylion007/openwebtext",
        None,
        {"training": "*.parquet"},
        "joined",
        0.02,
        "of the rows of every 10,000 documents 2 % drawn at random are held out, as published",
    ),
    "fineweb_edu": Corpus(
        "HuggingFaceFW/fineweb-edu",
        None,
        {"training": "sample/10BT/*.parquet"},
        "documents",
        0.002,
        "of every 10,000 documents 20 drawn at random are held out",
    ),
    "lm1b": Corpus(
        "billion-word-benchmark/lm1b",
        "refs/convert/parquet",
        {"training": "*/train/*.parquet", "validation": "*/test/*.parquet"},
        "documents",
        0.0,
        "the test sentences are held out, as published",
        sequence_length=128,
        detokenizer="lm1b",
        zero_shot=ZeroShotSet("a sentence", "test"),
    ),
    **ZERO_SHOT,
    "mnist": Images(
        "mnist",
        {"training": "train", "validation": "test"},
        (28, 28, 1),
        True,
        "the 10,000 test images are held out",
    ),
    "cifar10": Images(
        "cifar10",
        {"training": "train", "validation": "test"},
        (32, 32, 3),
        True,
        "the 10,000 test images are held out, as published",
    ),
    "imagenet64": Images(
        "downsampled_imagenet/64x64",
        {"training": "train", "validation": "validation"},
        (64, 64, 3),
        False,
        "the published 49,999 images are held out",
    ),
    "imagenet64_classes": Images(
        "imagenet2012",
        {"training": "train", "validation": "validation"},
        (64, 64, 3),
        True,
        "the published 50,000 images are held out",
    ),
}
