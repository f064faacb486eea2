"""Data: sources by name, and batches of their texts and images that `fit` takes."""

from md4keras.checks import check_name
from md4keras.data import detokenizers, gaps, images, masks, preparation, rows, text
from md4keras.data.batches import batches
from md4keras.data.blocks import Blocks
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
    ag_news,
    arxiv,
    fineweb_edu,
    imagenet64,
    imagenet64_classes,
    lambada,
    lm1b,
    mnist,
    openwebtext,
    ptb,
    pubmed,
    wikitext2,
    wikitext103,
)
from md4keras.data.sources.pydoc import pydoc, python_docs
from md4keras.data.sources.text8 import text8
from md4keras.data.sources.text_files import text_files
from md4keras.data.text import split_text, text_dataset, text_windows
from md4keras.data.zero_shot_facts import Conventions, describe_zero_shot
from md4keras.data.zero_shot_rows import ZERO_SHOT_SETS, ZeroShot, is_zero_shot, zero_shot

_IN_MEMORY = (cifar10, digits, image_folder, own_documents, pairs, pydoc, python_docs)
_IN_MEMORY += (text8, text_files)
_PREPARED = (fineweb_edu, imagenet64, imagenet64_classes, mnist, openwebtext)
_ZERO_SHOT = (ag_news, arxiv, lambada, lm1b, ptb, pubmed, wikitext2, wikitext103)
SOURCES = {source.name: source for source in (*_IN_MEMORY, *_PREPARED, *_ZERO_SHOT)}

__all__ = [
    *SOURCES,
    "SOURCES",
    "ZERO_SHOT_SETS",
    "Blocks",
    "Conventions",
    "Document",
    "PairRows",
    "Prepared",
    "PreparedSet",
    "Rows",
    "Source",
    "Splits",
    "ZeroShot",
    "batches",
    "describe",
    "describe_zero_shot",
    "detokenizers",
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
    "is_zero_shot",
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
    "zero_shot",
]


def get(source) -> Source:
    """Returns a source from its name, or from itself.

    Raises:
        ValueError: for an unknown name, listing the known ones.

    Example:

    >>> get("digits")
    <md4keras.data.digits: image>
    """
    if isinstance(source, Source):
        return source
    mend = "A text or images of your own: 'text_files', 'image_folder'; what was prepared in a "
    mend += "folder: md4keras.data.prepared."
    check_name("source", source, SOURCES, mend)
    return SOURCES[source]
