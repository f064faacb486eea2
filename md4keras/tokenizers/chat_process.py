"""A process that renders chat templates, with limits on its time, memory and what it writes.

A template is a program from outside. Jinja's sandbox keeps it from attributes and modules, but not
from loops in loops or from strings of gigabytes; a process can be stopped. It is started by `chat`,
reads one order from its standard input and writes the texts, both in JSON. Nothing but this file
and `jinja2` runs in it.
"""

import contextlib
import datetime
import json
import sys

MOST_WRITTEN = 2**22  # characters of one text
MOST_MEMORY = 2**29  # bytes


def render(order: dict) -> list[str]:
    """The texts of an order. (Errors end the process, with their message as its last line.)

    Args:
        order: `"template"`, `"conversations"` (lists of messages), and `"variables"`, what else the
            template may name.
    """
    import jinja2
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    def raise_exception(message):
        raise jinja2.TemplateError(str(message))

    # As `transformers` does, for which templates are written.
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = lambda value, indent=None: json.dumps(
        value, ensure_ascii=False, indent=indent
    )
    environment.globals["raise_exception"] = raise_exception
    environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    template, texts = environment.from_string(order["template"]), []
    for messages in order["conversations"]:
        parts, size = [], 0
        for part in template.generate(messages=messages, **order["variables"]):
            parts.append(part)
            size += len(part)
            if size > MOST_WRITTEN:
                raise ValueError(f"it writes more than {MOST_WRITTEN} characters")
        texts.append("".join(parts))
    return texts


def limit(seconds: int) -> None:
    """Keeps this process from taking what it does not need, where the system can."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


if __name__ == "__main__":
    given = json.load(sys.stdin)
    limit(given["seconds"])
    json.dump(render(given), sys.stdout)
