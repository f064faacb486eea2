"""The data sets that are known by name: where they are published, and how the paper uses them."""

from typing import NamedTuple


class Corpus(NamedTuple):
    """Text on the Hugging Face hub.

    Attributes:
        repository: str, its name on the hub.
        revision: str, or `None` for the newest.
        files: dictionary of the splits and the patterns of their files.
        rows: `"joined"`, written as rows, or `"documents"`.
        validation: float, the part of the training files that is held out; 0 where the corpus has
            a split of its own for it.
        note: str, what is said of the split.
        tokenizer: str, as of `md4keras.tokenizers.named`.
        sequence_length: int, tokens of a row.
    """

    repository: str
    revision: str | None
    files: dict
    rows: str
    validation: float
    note: str
    tokenizer: str = "gpt2_base_en"
    sequence_length: int = 1024

    @property
    def splits_itself(self) -> bool:
        """Whether the corpus has a split of its own for validation."""
        return "validation" in self.files

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
    ),
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
