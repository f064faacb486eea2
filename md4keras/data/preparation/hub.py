"""Where the files of a corpus are: on the Hugging Face hub, in a copy of it, or the user's own."""

import fnmatch
import urllib.parse
from pathlib import Path
from typing import NamedTuple

from md4keras.data.folders import files_below, opening, printable
from md4keras.files import import_optional, one_line

_OPTION = "--source FOLDER"


class Place(NamedTuple):
    """A file that may have to be fetched first; all of it in JSON values.

    Attributes:
        name: str, within the corpus.
        path: str, where it is on this machine, or `None`.
        url: str, where it is fetched from, or `None`.
        size: int, bytes, or `None`.
        sha256: str, its checksum, or `None`.
    """

    name: str
    path: str | None = None
    url: str | None = None
    size: int | None = None
    sha256: str | None = None


def files_on_hub(repository: str, revision: str | None, pattern: str) -> tuple[list[Place], str]:
    """The files of a data set on the hub at this moment, and the commit that has them.

    Args:
        repository: str, such as `"Skylion007/openwebtext"`.
        revision: str, or `None` for the newest.
        pattern: str, of their names, with `*` for anything.

    Raises:
        ValueError: if the hub cannot be asked, or has no such files.
    """
    hub = import_optional("huggingface_hub", "finds the data on the Hugging Face hub")
    api = hub.HfApi()
    try:
        info = api.dataset_info(repository, revision=revision, files_metadata=True)
    except Exception as error:  # network errors come as many types
        raise ValueError(
            f"The Hugging Face hub could not be asked for {repository} ({one_line(error)}). "
            f"Expected its list of files. Received: revision={revision!r}. Run it again with a "
            "network, or name a copy of the data set's folder: --source FOLDER."
        ) from error
    place = f"{api.endpoint}/datasets/{repository}/resolve/{info.sha}"
    places = [
        Place(
            file.rfilename,
            url=f"{place}/{urllib.parse.quote(file.rfilename)}",
            size=file.size,
            sha256=file.lfs.sha256 if file.lfs else None,
        )
        for file in sorted(info.siblings, key=lambda file: file.rfilename)
        if fnmatch.fnmatch(file.rfilename, pattern)
    ]
    return _some(places, pattern, repository), info.sha


def files_in_copy(folder: Path, patterns: tuple[str, ...], option: str = _OPTION) -> list[Place]:
    """The same files in a local copy of the data set's folder.

    Args:
        folder: path.
        patterns: strings, of which the first counts that any file has.
        option: str, how the folder is named, for messages.

    Raises:
        ValueError: if the folder cannot be read, or has no such files.
    """
    with opening(folder, "a copy of the data set's folder", f"Name another: {option}."):
        found = {file.relative_to(folder).as_posix(): file for file in files_below(folder)}
    for pattern in patterns:
        names = [name for name in found if fnmatch.fnmatch(name, pattern)]
        if names:
            return [
                Place(name, path=str(found[name]), size=found[name].stat().st_size)
                for name in names
            ]
    return _some([], " or ".join(patterns), str(folder), option)


def headers() -> dict[str, str]:
    """What the hub wants to know of who asks: the user's token, if there is one."""
    hub = import_optional("huggingface_hub.utils", "fetches the data", "huggingface_hub")
    return hub.build_hf_headers(library_name="md4keras")


def _some(places: list, pattern: str, where: str, option: str = _OPTION) -> list:
    if not places:
        raise ValueError(
            f"The data set has no such files. Expected {pattern!r}. "
            f"Received: {printable(where)!r} without any. Name a copy that has them: {option}."
        )
    return places
