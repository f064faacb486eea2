"""Published checkpoints as models, from where they are kept: `load`."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import keras

from md4keras.checks import check_name
from md4keras.conversion import hub, settings
from md4keras.conversion.arguments import GENMD4_ALONE
from md4keras.conversion.checkpoint_files import file_in, read_json, unreadable
from md4keras.conversion.kinds import kind_of
from md4keras.conversion.orbax_folder import find_state, read_state
from md4keras.conversion.own_tokenizer import choose, fitted
from md4keras.conversion.published import build_network, from_md4
from md4keras.conversion.weight_files import read_weights
from md4keras.conversion.worth import check_layers, check_numbers
from md4keras.models import MD4
from md4keras.tokenizers import CharacterTokenizer

DTYPES = ("float32", "bfloat16", "float16", "mixed_bfloat16", "mixed_float16")


def load(
    source: str | os.PathLike,
    tokenizer=None,
    config=None,
    weights: str | None = None,
    step: int | None = None,
    dtype: str | None = None,
):
    """A model from a published checkpoint: MD4, GenMD4, MDLM, BD3LM or LLaDA.

    Nothing in the checkpoint is run. Arrays are read one at a time, and nothing is built that needs
    more numbers than the checkpoint holds.

    Args:
        source: str or path. An Orbax folder of the published MD4 code: a run, its `checkpoints`, or
            one step of them. Or a folder as it lies on the Hugging Face hub, with `config.json`
            and `model.safetensors` or `pytorch_model.bin` (or shards of one, and their index). Or
            `"hf://owner/name"`, which is fetched from there.
        tokenizer: a tokenizer; where one is kept, as of `md4keras.tokenizers.named` (`"text8"` in
            the published order of an Orbax folder's symbols); `"none"`; or `None` for what lies
            in a folder of the hub.
        config: of an Orbax folder, which does not tell it: a name of a published run, such as
            `"md4_openwebtext"`; a JSON file; or a dictionary. See `settings.constructor_of`.
        weights: of an Orbax folder, `"ema"` (the averaged ones, by default) or `"raw"`.
        step: int, of an Orbax folder; `None` for the last one.
        dtype: str, the dtype policy of the network, such as `"bfloat16"`; `None` for the global
            one. Times, schedules and logits are float32 in any case.

    Returns:
        A model with its `tokenizer` (or `None`), and a `recipe` that says where it is from. Its
        token ids may differ from the published ones: `model.ids_from_published`.

    Raises:
        ImportError: if a package is missing that reads the files.
        ValueError: if there is no such checkpoint, it is of another kind or damaged, or the
            tokenizer does not fit it.

    Example:

    ```python
    model = md4keras.conversion.load("hf://kuleshov-group/mdlm-owt", tokenizer="gpt2_base_en")
    model = md4keras.conversion.load("runs/md4", "gpt2_base_en", config="md4_openwebtext")
    md4keras.save_model(model, "models/md4")
    ```

    Reference: Shi et al. 2024 (arXiv 2406.04329); Sahoo et al. 2024 (arXiv 2406.07524); Arriola et
    al. 2025 (arXiv 2503.09573); Nie et al. 2025 (arXiv 2502.09992).
    """
    if dtype is not None:
        check_name("dtype", dtype, DTYPES)
    with _policy(dtype):
        if os.fspath(source).startswith(hub.SCHEME):
            folder = hub.fetch_small(os.fspath(source))
            _refuse_orbax_choices(source, config, weights, step)
            return _of_hub(source, folder, tokenizer)
        folder = Path(source).expanduser()
        state = find_state(folder, step) if folder.is_dir() else None
        if state is not None:
            told = Path(folder.resolve().name, state.relative_to(folder)).as_posix()
            return _of_orbax(state, told, tokenizer, config, weights or "ema")
        if (folder / hub.CONFIG).exists():
            _refuse_orbax_choices(source, config, weights, step)
            return _of_hub(source, folder, tokenizer)
    raise unreadable(
        source,
        "there is none",
        "an Orbax folder of MD4, a folder from the Hugging Face hub with config.json, or "
        "hf://owner/name",
        "Check the path.",
    )


def _of_orbax(state: Path, told: str, tokenizer, config, weights: str):
    if config is None:
        raise unreadable(
            state,
            "an Orbax folder does not tell what its network is",
            f"a published run's name, of {[*settings.PUBLISHED]}, or a JSON file",
            "Name it: config=... (--config).",
        )
    constructor = settings.constructor_of(config)
    arrays = read_state(state, weights)
    check_layers(constructor, arrays)
    shared = {k: v for k, v in constructor.items() if k not in GENMD4_ALONE}
    check_numbers(lambda: MD4(build_network(shared)), arrays)
    if tokenizer == "text8":
        tokenizer = CharacterTokenizer(settings.TEXT8_SYMBOLS)
    tokenizer = choose(tokenizer, None)
    model = from_md4(constructor, arrays)
    name = config if isinstance(config, str) and config in settings.PUBLISHED else "checkpoint"
    kind = type(model).__name__
    facts = {"kind": kind, "source": told, "weights": weights, "constructor": constructor}
    return _finished(model, tokenizer, f"{kind} {name}", facts)


def _of_hub(source, folder: Path, tokenizer):
    config = read_json(file_in(folder, hub.CONFIG))
    if str(config.get("registered_name")).startswith("md4keras>"):
        raise unreadable(
            source,
            "it is a saved model of md4keras, which needs no conversion",
            "a published checkpoint",
            "Load it: md4keras.load_model.",
        )
    kind = kind_of(config)
    tokenizer = choose(tokenizer, folder)  # before gigabytes are fetched
    handle = os.fspath(source)
    is_handle = handle.startswith(hub.SCHEME)
    folder = hub.fetch_weights(handle, folder) if is_handle else folder
    arrays = read_weights(folder)
    model = kind.convert(config, arrays)
    name = hub.name_of(handle) if is_handle else folder.resolve().name
    told = handle if is_handle else name  # a path of this machine is nothing to publish
    facts = {"kind": kind.name, "source": told, "config": config}
    return _finished(model, tokenizer, f"{kind.name} {name}", facts)


def _finished(model, tokenizer, name: str, facts: dict):
    mask = getattr(model, "published_mask", None)
    model.tokenizer = fitted(tokenizer, model.network.vocabulary_size, mask)
    model.recipe = {"recipe": name, "converted": facts}
    return model


def _refuse_orbax_choices(source, config, weights, step) -> None:
    chosen = {"config": config, "weights": weights, "step": step}
    given = {name: value for name, value in chosen.items() if value is not None}
    if given:
        name, value = next(iter(given.items()))
        raise ValueError(
            f"`{name}` is for Orbax folders. Expected none with a folder from the hub, which has a "
            f"config.json and one set of weights. Received: {name}={value!r} with "
            f"'{source}'. Leave it out."
        )


@contextlib.contextmanager
def _policy(dtype: str | None) -> Iterator[None]:
    """The global dtype policy within the block, for networks that are made there."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(before if dtype is None else dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
