"""Text from elsewhere, made safe to print."""


def printable(text: str) -> str:
    r"""Text in which control characters are spelled out, so that they do not steer a terminal.

    Line ends and tabs stay.

    >>> printable("a\x1b[2Jb\tc")
    'a\\x1b[2Jb\tc'
    """
    return "".join(
        c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text
    )
