"""Tokenizers in JSON: described by class and configuration, and built again without other code."""

import json

import keras

from md4keras.checks import check_has

_MEMBERS = ("encode", "decode", "vocabulary_size", "get_config")
_PACKAGE = "md4keras>"  # left out of the names of this package's classes
_MOST_TEMPLATE = 2**17  # characters; that of Llama 3.1 has 4 thousand
_MOST_SHOWN = 300  # characters of a configuration in a message: a vocabulary has megabytes


def serialize(tokenizer) -> dict:
    """Describes a tokenizer in JSON values, `{"class": ..., "config": ...}`.

    Raises:
        ValueError: if a member is missing, the class is not registered with Keras, or the
            description makes another tokenizer.

    Example:

    >>> serialize(md4keras.tokenizers.ByteTokenizer())
    {'class': 'ByteTokenizer', 'config': {}}
    """
    _check(tokenizer)
    cls = type(tokenizer)
    name = keras.saving.get_registered_name(cls).removeprefix(_PACKAGE)
    if _classes().get(name) is not cls:
        raise ValueError(
            "The tokenizer's class is not registered, so it could not be loaded. Expected one that "
            f"Keras knows by name. Received: tokenizer of {cls}. Decorate it with "
            '`@keras.saving.register_keras_serializable(package="mine")`.'
        )
    description = {"class": name, "config": tokenizer.get_config()}
    if getattr(tokenizer, "chat_template", None) is not None:
        description["chat_template"] = check_chat_template(tokenizer.chat_template)
    try:
        size = get(json.loads(json.dumps(description))).vocabulary_size
        if size != tokenizer.vocabulary_size:
            raise ValueError(f"from it comes one with vocabulary_size={size}")
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"The tokenizer's configuration does not describe it: {error}. Expected JSON values. "
            f"Received: get_config()={_shown(description['config'])}. Return all that its class "
            "takes."
        ) from error
    return description


def get(tokenizer):
    """Returns a tokenizer from an object, or from what `serialize` made of one.

    No code is loaded: only classes that are registered in this process are built.

    Args:
        tokenizer: a tokenizer, its description, or the name of a registered class.

    Raises:
        ValueError: for an unknown class, another configuration, or what is no tokenizer.

    Example:

    >>> md4keras.tokenizers.get("ByteTokenizer").vocabulary_size
    256
    """
    description = {"class": tokenizer, "config": {}} if isinstance(tokenizer, str) else tokenizer
    if isinstance(description, dict):
        name, config, known = description.get("class"), description.get("config"), _classes()
        if not isinstance(name, str) or name not in known or not isinstance(config, dict):
            raise ValueError(
                f"Unknown tokenizer. Expected {{'class': one of {sorted(known)}, 'config': dict}}. "
                f"Received: {_shown(tokenizer)}. Import the code that registers another class "
                "before."
            )
        cls = known[name]
        try:
            tokenizer = cls.from_config(config) if hasattr(cls, "from_config") else cls(**config)
        except (LookupError, TypeError) as error:
            raise ValueError(
                f"The configuration of {name} does not fit it ({error}). Expected what its "
                f"`get_config` returns. Received: config={_shown(config)}. Save the model anew."
            ) from error
        if description.get("chat_template") is not None:
            tokenizer.chat_template = check_chat_template(description["chat_template"])
    _check(tokenizer)
    return tokenizer


def check_chat_template(template) -> str:
    """The template, if it is a text of bounded length; else a `ValueError`."""
    if isinstance(template, str) and template and len(template) <= _MOST_TEMPLATE:
        return template
    found = repr(template) if not isinstance(template, str) else f"{len(template)} characters"
    raise ValueError(
        "The tokenizer has no chat template that can be used. Expected a text in Jinja's language, "
        f"at most {_MOST_TEMPLATE} characters. Received: chat_template={_shown(found)}. Set "
        "`tokenizer.chat_template` to that of the model, or give a prompt that is no chat."
    )


def described_for_keras(tokenizer) -> dict:
    """As `serialize`, and with the names by which Keras and KerasHub find the class."""
    cls = type(tokenizer)
    names = {"module": cls.__module__, "class_name": cls.__name__}
    names["registered_name"] = keras.saving.get_registered_name(cls)
    return {**serialize(tokenizer), **names}


def is_known(description) -> bool:
    """Whether this process has the class in what `serialize` made of a tokenizer.

    Example:

    >>> is_known({"class": "ByteTokenizer", "config": {}})
    True
    """
    return str(description["class"]) in _classes()


def _shown(value) -> str:
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + " ..."


def _check(tokenizer) -> None:
    mend = "Give its class these members: `md4keras.tokenizers.tokenizer` says what they do."
    check_has("a tokenizer", tokenizer, _MEMBERS, mend)


def _classes() -> dict:
    """The registered classes of tokenizers, by name."""
    members = set(_MEMBERS) - {"vocabulary_size"}  # an instance may be the first to have it
    return {
        name.removeprefix(_PACKAGE): value
        for name, value in keras.saving.get_custom_objects().items()
        if isinstance(value, type) and all(hasattr(value, member) for member in members)
    }
