"""Folders of published checkpoints in the files of the Hugging Face hub, tiny and whole."""

import json

import numpy as np
from safetensors.numpy import save_file

from md4keras.tokenizers import BytePairTokenizer
from tests.reference import load_reference, reference_params

ARCHITECTURES = {"mdlm": "MDLM", "bd3lm": "BD3LM", "llada": "LLaDAModelLM"}
_OF_REFERENCE = ("kind", "mask_index")


def published(name: str) -> tuple[dict, dict]:
    """The `config.json` and the arrays by published name, of a reference file."""
    reference = load_reference(name)
    told = json.loads(str(reference["config"]))
    config = told.get("hf_config") or {k: v for k, v in told.items() if k not in _OF_REFERENCE}
    config = {
        "architectures": [ARCHITECTURES[told["kind"]]],
        "model_type": told["kind"],
        "torch_dtype": "float32",
        "transformers_version": "4.38.2",
        **config,
    }
    params = reference_params(reference)
    return config, {name.removeprefix("params/"): array for name, array in params.items()}


def write_json(path, content) -> None:
    """Writes JSON values to a file."""
    path.write_text(json.dumps(content), encoding="utf-8")


def save_whole(folder, config: dict, arrays: dict) -> None:
    """Writes a folder with one file of weights, by the library's own writer."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config)
    save_file(contiguous(arrays), folder / "model.safetensors", {"format": "pt"})


def save_sharded(folder, config: dict, arrays: dict, shards: int = 3) -> None:
    """Writes a folder with several files and their index."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config)
    weight_map = {}
    for number in range(shards):
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        names = [*arrays][number::shards]
        save_file(contiguous({name: arrays[name] for name in names}), folder / file)
        weight_map |= dict.fromkeys(names, file)
    size = sum(array.nbytes for array in arrays.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    write_json(folder / "model.safetensors.index.json", index)


def contiguous(arrays: dict) -> dict:
    """The same arrays in the order of memory that the library's writer takes them in."""
    return {name: np.array(array, order="C") for name, array in arrays.items()}


def word_pieces(size: int, special_tokens=("<|endoftext|>",)) -> BytePairTokenizer:
    """A tokenizer of so many ids, the special tokens last."""
    texts = ["the cat sat on the mat, and the dog sat on the cat's mat in the green garden"] * 9
    tokenizer = BytePairTokenizer.train(texts, size, special_tokens)
    if tokenizer.vocabulary_size != size:
        raise ValueError(f"The texts have no {size} pieces.")
    return tokenizer


TABLES = (
    "vocab_embed.embedding",
    "output_layer.linear.",
    "transformer.wte.",
    "transformer.ff_out.",
)
"""Arrays with a row for each token, by a part of their names."""


def with_words(name: str, mask: int | None = None) -> tuple[dict, dict]:
    """As `published`, with rows for the word pieces that no vocabulary of 30 tokens can have.

    Args:
        name: str, of a reference file.
        mask: int, the id of the mask among 300 tokens; `None` for the last one.
    """
    config, arrays = published(name)
    generator = np.random.default_rng(0)
    for key, array in arrays.items():
        if any(part in key for part in TABLES):
            rows = generator.normal(size=(300, *array.shape[1:]), scale=0.3)
            arrays[key] = rows.astype("float32")
    sizes = {"vocab_size": 300}
    sizes |= {"embedding_size": 300} if "embedding_size" in config else {}
    sizes |= {} if mask is None else {"mask_token_id": mask}
    return {**config, **sizes}, arrays
