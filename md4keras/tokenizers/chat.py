"""Chats: messages that a tokenizer's template turns into one text, and that into tokens.

The special tokens that the template writes are tokens; what looks like one in a message is text.
Before it is rendered, the first character of every such name in a message is replaced by a stand-in
from Unicode's private use, which is taken back in what is encoded as text. And lest a template
joins a name from parts of messages, or drops what stood within one: with all characters of names
replaced in the messages (but for spaces, which templates trim), the same special tokens have to
come in the same order. Otherwise the chat is refused.
"""

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from md4keras.files import import_optional
from md4keras.tokenizers.descriptions import check_chat_template
from md4keras.tokenizers.special_tokens import special_ids
from md4keras.tokenizers.tokenizer import encode_batch

_PROCESS = Path(__file__).with_name("chat_process.py")
_SECONDS = 5  # of the processor; four times as many on the clock
_PRIVATE_USE = range(0xF0000, 0x10F000, 0x1000)  # first characters of ranges to choose from
_EXPECTED = "[{'role': 'user', 'content': 'text'}, ...]"


def apply_chat_template(tokenizer, messages, add_generation_prompt=True, tokenize=True):
    """The tokens of a chat, as the tokenizer's template (`chat_template`) writes it.

    A template is data from outside. It is rendered in a sandbox, in a process of its own with
    limits on time, memory and the length of the text (`pip install jinja2`). Special tokens are
    those that the template writes; names of them that are typed in a message are text.

    Args:
        tokenizer: a tokenizer with a `chat_template`, a text in the language of Jinja.
        messages: list of messages, dictionaries `{"role": ..., "content": ...}` of strings; or a
            list of such lists.
        add_generation_prompt: bool, whether the beginning of an answer follows.
        tokenize: bool; `False` for the text rather than its tokens.

    Returns:
        int32 array `[length]`, or a string; of several chats a list.

    Raises:
        ValueError: without a template, for messages that are none, and for a template that fails,
            takes too long, or would make special tokens of what messages say.
        ImportError: where `jinja2` is not installed.

    Example:

    >>> tokenizer = md4keras.tokenizers.ByteTokenizer()
    >>> tokenizer.chat_template = "{% for m in messages %}{{ m.role }}: {{ m.content }}{% endfor %}"
    >>> apply_chat_template(tokenizer, [{"role": "user", "content": "Hello"}], tokenize=False)
    'user: Hello'
    """
    template = check_chat_template(getattr(tokenizer, "chat_template", None))
    listed = isinstance(messages, (list, tuple)) and len(messages) > 0
    is_one = not listed or any(isinstance(each, Mapping) for each in messages)
    chats = [_checked(chat) for chat in ([messages] if is_one else messages)]
    ids = special_ids(tokenizer)
    stand_ins = _stand_ins(ids, chats, template)
    named = {"bos_token": "start_token", "eos_token": "end_token", "pad_token": "pad_token"}
    variables = {name: getattr(tokenizer, ours, None) for name, ours in named.items()}
    variables = {name: value for name, value in variables.items() if value is not None}
    variables["add_generation_prompt"] = bool(add_generation_prompt)
    quoted = _changed(chats, lambda text: _without_names(text, ids, stand_ins))
    guarded = _changed(chats, lambda text: text.translate(str.maketrans(stand_ins)))
    texts = _rendered(template, quoted + guarded, variables)
    back = str.maketrans({stand_in: character for character, stand_in in stand_ins.items()})
    found = []
    for text, other in zip(texts[: len(chats)], texts[len(chats) :], strict=True):
        parts = _parts(text, ids)
        if parts[1::2] != _parts(other, ids)[1::2]:
            raise ValueError(
                "The chat template would make special tokens of what a message says. Expected "
                "those alone that the template writes. Received: "
                f"{str([part for part in parts[1::2] if part][:20])}. Leave the names of special "
                "tokens, and parts of them, out of the messages."
            )
        parts = [part.translate(back) for part in parts]
        found.append(_encoded(tokenizer, parts, ids) if tokenize else "".join(parts))
    return found[0] if is_one else found


def _checked(chat) -> list[dict]:
    """The messages of a chat as plain dictionaries."""
    good = isinstance(chat, (list, tuple)) and len(chat) > 0
    for message in chat if good else [None]:
        good = isinstance(message, Mapping) and set(message) == {"role", "content"}
        good = good and all(isinstance(value, str) for value in message.values())
        if not good or not re.fullmatch(r"\w{1,32}", message["role"]):
            raise ValueError(
                f"This is no chat. Expected messages {_EXPECTED}, of strings, with a role of "
                f"letters alone. Received: {str(message)[:80]}. Write each message so."
            )
    return [{"role": message["role"], "content": message["content"]} for message in chat]


def _changed(chats, change) -> list[list[dict]]:
    return [[m | {"content": change(m["content"])} for m in chat] for chat in chats]


def _stand_ins(names, chats, template: str) -> dict[str, str]:
    """A private character, which stands nowhere, for each of a name but for spaces in it."""
    marks = {c for name in names for c in name if c == name[0] or not c.isspace()}
    texts = {c for chat in chats for m in chat for c in m["content"]} | {*template, *"".join(names)}
    taken = {ord(c) & ~0xFFF for c in texts}
    first = next((first for first in _PRIVATE_USE if first not in taken), None)
    if first is None or len(marks) > 0xFFF:
        raise ValueError(
            "The messages hold all of Unicode's private characters. Expected text. Received: "
            f"{len(texts)} different characters. Leave out those of planes 15 and 16."
        )
    return {mark: chr(first + number) for number, mark in enumerate(sorted(marks))}


def _without_names(text: str, names, stand_ins: dict[str, str]) -> str:
    """A text in which no special token is named any more."""
    for name in sorted(names, key=len, reverse=True):
        text = text.replace(name, stand_ins[name[0]] + name[1:])
    return text


def _parts(text: str, names) -> list[str]:
    """Texts, and between them the names of special tokens; of those at one place the longest."""
    if not names:
        return [text]
    names = sorted(names, key=len, reverse=True)
    return re.split(f"({'|'.join(map(re.escape, names))})", text)


def _encoded(tokenizer, parts: list[str], ids: dict) -> np.ndarray:
    found = encode_batch(tokenizer, parts[::2])
    special = [np.array([ids[name]], "int32") for name in parts[1::2]]
    pairs = zip(found, [*special, np.zeros(0, "int32")], strict=True)
    return np.concatenate([each for pair in pairs for each in pair]).astype("int32")


def _rendered(template: str, conversations: list, variables: dict) -> list[str]:
    """The text of each conversation, from a process."""
    import_optional("jinja2", "renders chat templates")
    order = {"template": template, "conversations": conversations, "variables": variables}
    problem = f"it takes over {_SECONDS} s"
    try:
        done = subprocess.run(
            [sys.executable, "-P", str(_PROCESS)],
            input=json.dumps(order | {"seconds": _SECONDS}).encode(),
            capture_output=True,
            timeout=4 * _SECONDS,
            check=False,
        )
        if done.returncode == 0:
            return json.loads(done.stdout)
        *_, problem = [problem, *done.stderr.decode("utf-8", "replace").strip().splitlines()]
    except subprocess.TimeoutExpired:
        pass
    raise ValueError(
        f"The chat template cannot be rendered: {problem[:300]}. Expected a template that writes "
        f"a text of the messages. Received: chat_template={template[:80]!r}. Take that of the "
        "model, or write the text yourself and give it as `prompt`."
    )
