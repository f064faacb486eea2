"""Data: sources by name, and batches of their texts and images that `fit` takes."""

from md4keras.checks import check_name
from md4keras.data import gaps, images, masks, preparation, rows, text
from md4keras.data.batches import batches
from md4keras.data.document_files import Document, documents, holds_documents
from md4keras.data.images import (
    image_dataset,
    image_format,
    image_gather,
    quantise,
    read_image,
    split_images,
)
from md4keras.data.pair_rows import PairRows, encode_pairs
from md4keras.data.prepared_folder import Prepared, is_prepared, prepared
from md4keras.data.rows import Rows
from md4keras.data.source import Source, Splits, describe
from md4keras.data.sources.cifar10 import cifar10
from md4keras.data.sources.digits import digits
from md4keras.data.sources.image_folder import image_folder
from md4keras.data.sources.own_documents import own_documents
from md4keras.data.sources.pairs import pairs
from md4keras.data.sources.prepared_sets import (
    PreparedSet,
    fineweb_edu,
    imagenet64,
    imagenet64_classes,
    lm1b,
    mnist,
    openwebtext,
)
from md4keras.data.sources.pydoc import pydoc
from md4keras.data.sources.text8 import text8
from md4keras.data.sources.text_files import text_files
from md4keras.data.text import split_text, text_dataset, text_windows

_IN_MEMORY = (cifar10, digits, image_folder, own_documents, pairs, pydoc, text8, text_files)
_PREPARED = (fineweb_edu, imagenet64, imagenet64_classes, lm1b, mnist, openwebtext)
SOURCES = {source.name: source for source in (*_IN_MEMORY, *_PREPARED)}

__all__ = [
    *SOURCES,
    "SOURCES",
    "Document",
    "PairRows",
    "Prepared",
    "PreparedSet",
    "Rows",
    "Source",
    "Splits",
    "batches",
    "describe",
    "documents",
    "encode_pairs",
    "gaps",
    "get",
    "holds_documents",
    "image_dataset",
    "image_gather",
    "image_format",
    "images",
    "is_prepared",
    "masks",
    "preparation",
    "prepared",
    "quantise",
    "read_image",
    "rows",
    "split_images",
    "split_text",
    "text",
    "text_dataset",
    "text_windows",
]


def get(source) -> Source:
    """Returns a source from its name, or from itself.

    Raises:
        ValueError: for an unknown name, listing the known ones.
    """
    if isinstance(source, Source):
        return source
    mend = "A text or images of your own: 'text_files', 'image_folder'; what was prepared in a "
    mend += "folder: md4keras.data.prepared."
    check_name("source", source, SOURCES, mend)
    return SOURCES[source]
