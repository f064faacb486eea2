"""Models in folders: how they are written and read, and the cards that come with them."""

from md4keras.saving.model_card import write_card
from md4keras.saving.preset import ModelPreset, NetworkPreset
from md4keras.saving.reading import Saved, build_model, check_buildable, read_saved
from md4keras.saving.upload import upload_preset
from md4keras.saving.writing import check_output_folder, save

__all__ = [
    "ModelPreset",
    "NetworkPreset",
    "Saved",
    "build_model",
    "check_buildable",
    "check_output_folder",
    "read_saved",
    "save",
    "upload_preset",
    "write_card",
]
