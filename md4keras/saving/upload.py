"""A preset goes to a hub: its files and its card, and nothing else that lies in its folder."""

import glob
import os
from pathlib import Path

from md4keras.files import import_optional, is_within, one_line
from md4keras.presets.hubs import parts_of
from md4keras.presets.layout import CARD, METADATA
from md4keras.saving.reading import read_saved

_SHAPES = {
    "hf": (r"([\w.-]+/)?[\w.-]+", "hf://owner/name, or hf://name for your own account"),
    "kaggle": (r"[\w-]+/[\w-]+/\w+/[\w.-]+", "kaggle://owner/model/keras/variation"),
}


def upload_preset(uri: str, folder: str | os.PathLike) -> str:
    """Uploads a saved model, so that others load it by its handle.

    As `keras_hub.upload_preset`, which takes these folders too, but without importing KerasHub;
    and the folder's own model card goes along (KerasHub's first upload puts a short one of its
    own in its place, and removes it from the folder). You have to be logged in (`hf auth login`,
    or Kaggle's token). A repository that is not there is made: public on the Hugging Face hub, as
    your settings say on Kaggle.

    Args:
        uri: `"hf://owner/name"` or `"kaggle://owner/model/keras/variation"`.
        folder: path of a saved model or network; better one with a card, by `save_to_preset`.

    Returns:
        The address of the model's page.

    Raises:
        ValueError: if the folder is not a complete saved model, for another handle, or if the hub
            refuses the files.
        ImportError: without the hub's library.

    Example:

    ```python
    model.save_to_preset("digits", license="apache-2.0")
    md4keras.upload_preset("hf://me/digits", "digits")
    ```
    """
    scheme, rest = parts_of(uri, _SHAPES)
    folder = Path(folder)
    saved = read_saved(folder, unknown_tokenizer=True, kinds=("model", "network"))
    names = [*saved.metadata["sha256"], METADATA, CARD]
    names = [name for name in names if (folder / name).is_file()]
    _check_links(folder, names)
    send = {"hf": _to_hugging_face, "kaggle": _to_kaggle}[scheme]
    try:
        return send(rest, folder, names)
    except ImportError:
        raise
    except Exception as error:  # errors of networks and hubs come as many types
        raise ValueError(
            f"The hub does not take this preset ({one_line(error)}). Expected an account that may "
            f"write there. Received: uri={uri!r}. Log in, and check the name and the network."
        ) from error


def _check_links(folder: Path, names: list[str]) -> None:
    """Refuses links: the card of a folder from elsewhere may be one to a secret."""
    for name in names:
        if not is_within(folder / name, folder):
            raise ValueError(
                "A file of the preset is a link out of its folder. Expected files that lie in it. "
                f"Received: '{folder / name}', which is {(folder / name).resolve()}. Copy what you "
                "want to publish into the folder."
            )


def _to_hugging_face(rest: str, folder: Path, names: list[str]) -> str:
    hub = import_optional("huggingface_hub", "uploads to hf:// handles")
    repository = hub.create_repo(repo_id=rest, exist_ok=True)
    message = "Upload with md4keras" + ("" if CARD in names else ", without a model card")
    hub.upload_folder(
        repo_id=repository.repo_id,
        folder_path=folder,
        allow_patterns=names,
        commit_message=message,
    )
    return str(repository)


def _to_kaggle(rest: str, folder: Path, names: list[str]) -> str:
    hub = import_optional("kagglehub", "uploads to kaggle:// handles")
    others = [path.name + ("/" if path.is_dir() else "") for path in folder.iterdir()]
    ignored = [glob.escape(name) for name in others if name not in names]  # they are patterns
    hub.model_upload(rest, str(folder), ignore_patterns=ignored)
    return f"https://www.kaggle.com/models/{rest}"
