"""The kinds of checkpoints on the Hugging Face hub, told apart by their `config.json`."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from md4keras.conversion.llada import from_llada
from md4keras.conversion.mdlm import from_bd3lm, from_mdlm


class Kind(NamedTuple):
    """What is known of a kind.

    Attributes:
        name: str, as it is published.
        architecture: str, its name in `config.json`.
        convert: function of the entries of that file and the arrays by name, which returns a
            model.
    """

    name: str
    architecture: str
    convert: Callable[[dict, Mapping], object]


KINDS = (
    Kind("MDLM", "MDLM", from_mdlm),
    Kind("BD3LM", "BD3LM", from_bd3lm),
    Kind("LLaDA", "LLaDAModelLM", from_llada),
)


def kind_of(config: dict) -> Kind:
    """The kind of checkpoint that a `config.json` is of.

    Raises:
        ValueError: if it is of another architecture, or tells none.
    """
    told = config.get("architectures") or []
    names = told if isinstance(told, list) else [told]
    model_type = config.get("model_type")
    for kind in KINDS:
        is_typed = isinstance(model_type, str) and model_type == kind.name.lower()
        if kind.architecture in names or (not names and is_typed):
            return kind
    raise ValueError(
        "The checkpoint is of another architecture. Expected MDLM, BD3LM or LLaDA, with "
        f"architectures of {[kind.architecture for kind in KINDS]}. Received: "
        f"architectures={str(told)[:100]}, model_type={str(model_type)[:50]!r}. Only these are "
        "converted; see docs/conversion.md."
    )
