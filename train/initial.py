"""First weights from a saved model."""

import numpy as np
from keras import ops

import md4keras
from md4keras import tokenizers

_TABLE = "label_embedding/embeddings"
_TOKENS = "token_embedding/embeddings"  # [values + mask, width]
_HEAD = ("head/projection/kernel", "head/projection/bias")  # [width, values], [values]
_CONDITIONING = "conditioning/hidden/kernel"  # [time + label, hidden] where there are labels


def take_weights(model, folder, class_names=None) -> None:
    """Copies the weights of a saved model into a new one.

    The schedule's come along where both models are of one class, else it starts anew. Classes are
    known by their names: those that the saved model has keep their embedding, and others get a new
    one. A model of no classes may become one of classes: at the start it does not heed them. A
    model of texts without an end may become one of texts that end: at the start it knows nothing
    of the new token.

    Args:
        model: the new one.
        folder: of the saved model.
        class_names: of the new model, or `None`.

    Raises:
        ValueError: if another weight has no counterpart of its shape.
    """
    saved = md4keras.load_model(folder)
    if saved.network.quantization_mode_of_layers is not None:
        raise ValueError(
            "The weights of the saved model are quantized. Expected a model from before. Received: "
            f"--init-from {folder}, in {saved.network.quantization_mode_of_layers}. Start from the "
            "model that it was made of; --set lora.quantize=int8 quantizes it in this run."
        )
    saved.merge_lora()
    ours, theirs = (_by_path(each.network) for each in (model, saved))
    _add_labels(ours, theirs, saved, class_names or ())
    ends = _gets_end(model.tokenizer, saved.tokenizer)
    if ends:
        _add_value(ours, theirs, _TOKENS, axis=0, after=1)  # of the mask
        for path in ours.keys() & set(_HEAD):  # a tied head is the table of tokens
            _add_value(ours, theirs, path, axis=-1)
    _check_shapes(model.network, saved.network, ours, theirs, folder)
    for path, weight in ours.items():
        weight.assign(theirs[path])
    if type(saved) is type(model) and hasattr(saved.schedule, "weights"):
        schedules = model.schedule, saved.schedule
        ours, theirs = map(_by_path, schedules)
        for path in theirs if ends else ():
            _add_value(ours, theirs, path, axis=0)
        _check_shapes(*schedules, ours, theirs, folder)
        for path, weight in ours.items():
            weight.assign(theirs[path])


def _by_path(part) -> dict:
    return {weight.path: weight for weight in part.weights}


def _values(weight) -> np.ndarray:
    return np.array(ops.convert_to_numpy(weight))  # one's own: JAX's cannot be written to


def _add_labels(ours: dict, theirs: dict, saved, class_names) -> None:
    """Makes what the saved model knows of classes fit those of the new one."""
    if _TABLE not in ours:
        return
    table = _values(ours[_TABLE])  # [classes, feature_dim], new
    kernel, wanted = theirs.get(_CONDITIONING), ours.get(_CONDITIONING)
    if _TABLE not in theirs:
        theirs[_TABLE] = table
        if kernel is not None and wanted is not None:
            missing = wanted.shape[0] - kernel.shape[0]
            theirs[_CONDITIONING] = np.pad(_values(kernel), ((0, max(0, missing)), (0, 0)))
        return
    known = md4keras.catalog.class_names(saved.recipe or {}, saved.network.num_classes)
    before = _values(theirs[_TABLE])
    if table.shape[1] == before.shape[1] and tuple(class_names) != tuple(known):
        for number, name in enumerate(class_names):
            if name in known:
                table[number] = before[known.index(name)]
        if len(table) > len(class_names) and len(before) > len(known):
            table[-1] = before[-1]  # of no class
        theirs[_TABLE] = table


def _gets_end(tokenizer, before) -> bool:
    """Whether a tokenizer is another one with an end of text as one value more."""
    known = getattr(before, "end_token_id", None) is not None
    if tokenizer is None or before is None or known:
        return False
    wider = tokenizer.vocabulary_size == before.vocabulary_size + 1
    return wider and tokenizers.serialize(tokenizer) == tokenizers.serialize(
        tokenizers.add_end(before)
    )


def _add_value(ours: dict, theirs: dict, path: str, axis: int, after: int = 0) -> None:
    """Puts our last value but `after` along an axis among those of the saved model."""
    value = np.take(_values(ours[path]), [-1 - after], axis)
    before = _values(theirs[path])
    theirs[path] = np.insert(before, [before.shape[axis] - after], value, axis)


def _check_shapes(part, saved, ours: dict, theirs: dict, folder) -> None:
    shapes = [{p: tuple(w.shape) for p, w in weights.items()} for weights in (ours, theirs)]
    if shapes[0] == shapes[1]:
        return
    configs = [each.get_config() for each in (part, saved)]
    names = [name for name in configs[0] if name in configs[1] and name not in ("name", "dtype")]
    differing = [name for name in names if configs[0][name] != configs[1][name]]
    expected, received = (
        ", ".join(f"{name}={config[name]}" for name in differing) for config in configs[::-1]
    )
    raise ValueError(
        f"The weights of the saved model do not fit. Expected {expected}, as in '{folder}'. "
        f"Received: {received}. Take its settings and data of its kind, or start without "
        "--init-from."
    )
