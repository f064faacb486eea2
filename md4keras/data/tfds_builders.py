"""Data sets of TensorFlow Datasets on disk, read without TensorFlow."""

import urllib.request
from collections.abc import Iterable
from pathlib import Path

from md4keras.files import import_optional


def find_builder(
    name: str, data_dir, splits: Iterable[str], download: bool = False, home: str | None = None
):
    """A builder whose data are there and can be read by number, `builder.as_data_source`.

    Args:
        name: str, with its configuration, such as `"downsampled_imagenet/64x64"`.
        data_dir: the folder of TensorFlow Datasets; `None` for `~/tensorflow_datasets`.
        splits: names that the data must have.
        download: bool, whether to fetch and prepare what is not there.
        home: str, the address that must answer before (without a network the preparation would
            fail after minutes); `None` for data that are copied by hand.

    Raises:
        ValueError: if they are not there (and `download` is `False`), or cannot be fetched.
    """
    package = "tensorflow-datasets importlib_resources"
    tfds = import_optional("tensorflow_datasets", f"holds {name}", package)
    data_dir = Path(data_dir or tfds.core.constants.DATA_DIR).expanduser()
    for info in sorted(data_dir.glob(f"{name}/*/dataset_info.json"), reverse=True):  # newest first
        builder = tfds.builder_from_directory(info.parent)
        by_number = builder.info.file_format == tfds.core.FileFormat.ARRAY_RECORD
        if by_number and set(splits) <= set(builder.info.splits):
            return builder
    if not download:
        raise ValueError(
            f"{name} is not there. Expected it in TensorFlow Datasets' array_record format. "
            f"Received: data_dir={str(data_dir)!r}. Pass download=True, or name the folder "
            f"that holds `{name}/`."
        )
    try:
        if home:
            urllib.request.urlopen(home, timeout=15).close()
        builder = tfds.builder(name, data_dir=data_dir, file_format="array_record")
        builder.download_and_prepare()
    except Exception as error:  # network errors come as many types
        raise ValueError(
            f"{name} could not be fetched ({type(error).__name__}: {error}). Expected its "
            f"home page. Received: data_dir={str(data_dir)!r}. Prepare it on a machine with "
            f"network and copy the folder `{name}/`."
        ) from error
    return builder
