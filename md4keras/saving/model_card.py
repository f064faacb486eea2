"""The model card of a saved model, `README.md`: whose it is, and that a user's own is kept."""

import os
import re
from pathlib import Path

from md4keras.files import sha256, write_json, write_whole
from md4keras.presets.layout import CARD, METADATA, is_saved_model
from md4keras.saving.card_text import card_text
from md4keras.saving.reading import check_buildable, read_json, read_saved


def write_card(
    folder: str | os.PathLike, report=None, title: str | None = None, license: str | None = None
) -> Path:
    """Writes the card of a saved model, from its recipe and a report of what it reached.

    Args:
        folder: path of a saved model. A card in it that somebody wrote or changed stays.
        report: what `md4keras.evaluation.report.read_report` returns, or `None`.
        title: str, the card's heading; `None` for the folder's name.
        license: str, that of the model, as the hub writes it: `"apache-2.0"`, `"cc-by-4.0"`,
            `"other"`; `None` leaves it unsaid.

    Returns:
        The path of the card.

    Raises:
        ValueError: if the folder holds no model or network, or a damaged one, or the report is of
            other weights.
        OSError: if it cannot be written.

    Example:

    >>> model.recipe = {"recipe": "mine", "source": "digits"}
    >>> folder = md4keras.save_model(model, "runs/mine")
    >>> card = md4keras.checkpoints.write_card(folder, title="Mine")
    >>> card.name, "Mine" in card.read_text(encoding="utf-8")
    ('README.md', True)
    """
    saved = read_saved(folder, unknown_tokenizer=True, kinds=("model", "network"))
    check_buildable(saved)
    card = saved.folder / CARD
    if report is not None:
        _check_report(saved, report)
    if license is not None and not re.fullmatch(r"[a-z0-9][a-z0-9.+-]*", license):
        raise ValueError(
            "`license` is no name of a licence. Expected one as the hub writes it, such as "
            f"'apache-2.0' or 'other'. Received: license={license!r}. Look it up at "
            "https://huggingface.co/docs/hub/repositories-licenses."
        )
    if not is_own_card(folder):
        heading = title or saved.folder.resolve().name
        write_whole(card, card_text(saved, report, heading, license))
        write_json({**saved.metadata, "card": sha256(card)}, saved.folder / METADATA)
    return card


def is_own_card(folder: str | os.PathLike) -> bool:
    """Whether a folder has a model card that `write_card` did not write as it stands there."""
    card = Path(folder) / CARD
    if not card.is_file():
        return False
    try:
        written = read_json(Path(folder) / METADATA) if is_saved_model(folder) else {}
    except ValueError:  # of a damaged folder, whose card may be anyone's
        return True
    return not isinstance(written, dict) or written.get("card") != sha256(card)


def _check_report(saved, report) -> None:
    measured = report.model["weights"]
    known = (saved.weights_fingerprint, saved.metadata.get("sha256_before_rounding"))
    if measured not in known:
        raise ValueError(
            "The report is of other weights than the model's. Expected those with the SHA-256 "
            f"{' or '.join(each[:16] for each in known if each)}. Received: a report of "
            f"{measured[:16]}. Measure this model: md4keras evaluate MODEL --report."
        )
