"""Data: tokenizers, text and images, each source as batches that `fit` takes."""

from md4keras.data import gaps, images, masks, text, tokenizers
from md4keras.data.cifar import cifar10
from md4keras.data.downloads import text8
from md4keras.data.folders import (
    image_folder,
    image_folder_split,
    image_format,
    quantise,
    read_image,
    split_images,
)
from md4keras.data.images import digits, image_dataset
from md4keras.data.text import pydoc, read_text, split_text, text_dataset, text_windows
from md4keras.data.tokenizers import (
    TEXT8_ALPHABET,
    ByteTokenizer,
    CharacterTokenizer,
    normalise_text8,
)

__all__ = [
    "TEXT8_ALPHABET",
    "ByteTokenizer",
    "CharacterTokenizer",
    "cifar10",
    "digits",
    "gaps",
    "image_dataset",
    "image_folder",
    "image_folder_split",
    "image_format",
    "images",
    "masks",
    "normalise_text8",
    "pydoc",
    "quantise",
    "read_image",
    "read_text",
    "split_images",
    "split_text",
    "text",
    "text8",
    "text_dataset",
    "text_windows",
    "tokenizers",
]
