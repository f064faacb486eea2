"""First weights from a saved model."""

import md4keras


def take_weights(model, folder) -> None:
    """Copies the weights of a saved model into a new one.

    The schedule's come along where both models are of one class, else it starts anew.

    Raises:
        ValueError: if a weight has no counterpart of its shape.
    """
    saved = md4keras.load_model(folder)
    pairs = [(model.network, saved.network)]
    if type(saved) is type(model) and hasattr(saved.schedule, "weights"):
        pairs.append((model.schedule, saved.schedule))
    for ours, theirs in pairs:
        _check_shapes(ours, theirs, folder)
        ours.set_weights(theirs.get_weights())


def _check_shapes(ours, theirs, folder) -> None:
    shapes = [[tuple(weight.shape) for weight in part.weights] for part in (ours, theirs)]
    if shapes[0] == shapes[1]:
        return
    configs = [part.get_config() for part in (ours, theirs)]
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
