"""The habits of KerasHub for models and networks: `from_preset` and `save_to_preset`."""

import os
from pathlib import Path
from typing import Self

from md4keras import presets
from md4keras.saving.reading import build_model, read_beside, read_saved
from md4keras.saving.writing import save, write_beside


class ModelPreset:
    """What makes a model one that is saved in a folder, with its tokenizer and recipe."""

    saved_as = "model"
    draws_samples = False
    """Whether it has `generate` and `infill`."""

    @classmethod
    def from_preset(cls, preset: str | os.PathLike, load_weights: bool = True, dtype=None) -> Self:
        """A model from where it is kept, on whichever backend runs; as `md4keras.load_model`.

        Args:
            preset: path of a folder, the name of a preset that ships, or a handle; see
                `md4keras.presets.find`.
            load_weights: bool; `False` for a model as it was before training.
            dtype: the dtype policy in which the network computes, or its name; `None` for the one
                that it was saved with.

        Raises:
            ValueError: if there is none, it is damaged, or of another class.
            ImportError: for a handle, without the hub's library.

        Example:

        >>> folder = model.save_to_preset("runs/mine")
        >>> md4keras.MD4.from_preset("runs/mine").network.data_shape
        (8,)
        """
        saved = read_saved(presets.find(preset))
        if not issubclass(saved.cls, cls):
            raise _other_class(preset, saved.cls, cls)
        return build_model(saved if dtype is None else saved.with_dtype(dtype), load_weights)

    def save_to_preset(
        self,
        folder: str | os.PathLike,
        dtype: str = "float32",
        report=None,
        license: str | None = None,
    ) -> Path:
        """Saves the model as `md4keras.save_model` does, with a model card (`README.md`).

        The folder is a preset in KerasHub's layout. A card that was written or changed by hand
        stays as it is.

        Args:
            folder: path.
            dtype: of the weights on disk: `"float32"`, or `"float16"` for half the size; see
                `md4keras.save_model`.
            report: what `md4keras.evaluation.report.read_report` returns, for the card's figures,
                or `None`.
            license: str, that of the model, as the hub writes it, for the card: `"apache-2.0"`;
                `None` leaves it unsaid.

        Returns:
            The path of the folder.

        Raises:
            ValueError: as `md4keras.save_model`; or if the report is of other weights.

        Example:

        >>> folder = model.save_to_preset("runs/mine", dtype="float16", license="apache-2.0")
        >>> (folder / "README.md").is_file()
        True
        """
        return save(self, folder, dtype, report, license)

    def save_assets(self, directory: str) -> None:
        """Writes tokenizer and recipe where `model.save("x.keras")` wants them."""
        write_beside(self, Path(directory))

    def load_assets(self, directory: str) -> None:
        """Reads what `save_assets` wrote."""
        self.tokenizer, self.recipe = read_beside(Path(directory))


class NetworkPreset:
    """What makes a network one that is saved in a folder of its own."""

    saved_as = "network"

    @classmethod
    def from_preset(cls, preset: str | os.PathLike, load_weights: bool = True, dtype=None) -> Self:
        """A network from the folder of its own, or that of a model.

        Args:
            preset: path of a folder, the name of a preset that ships, or a handle; see
                `md4keras.presets.find`.
            load_weights: bool; `False` for a network as it was before training.
            dtype: the dtype policy in which it computes, or its name; `None` for the one that it
                was saved with.

        Raises:
            ValueError: if there is none, it is damaged, or of another class.
            ImportError: for a handle, without the hub's library.
        """
        folder = presets.find(preset)
        saved = read_saved(folder, unknown_tokenizer=True, kinds=("network", "model"))
        found = build_model(saved if dtype is None else saved.with_dtype(dtype), load_weights)
        found = found if saved.cls.saved_as == "network" else found.network
        if not isinstance(found, cls):
            raise _other_class(preset, type(found), cls)
        return found

    def save_to_preset(self, folder: str | os.PathLike, dtype: str = "float32") -> Path:
        """Saves the network alone, as KerasHub saves a backbone; `from_preset` loads it.

        Args:
            folder: path.
            dtype: of the weights on disk; see `md4keras.save_model`.

        Returns:
            The path of the folder.

        Raises:
            ValueError: if the folder holds something else than a saved model.
        """
        return save(self, folder, dtype)


def _other_class(preset, found: type, expected: type) -> ValueError:
    return ValueError(
        f"The preset holds another class. Expected a {expected.__name__}. Received: a "
        f"{found.__name__} in '{preset}'. Call `{found.__name__}.from_preset`, or "
        "`md4keras.load_model` for a model of any class."
    )
