"""Tells Griffe, which reads the docstrings for the site, how this library writes them."""

import griffe

from docs.tools.docstrings_text import as_google


class KerasDocstrings(griffe.Extension):
    """Rewrites each docstring before it is read."""

    def on_object(self, *, obj, **kwargs):
        """Griffe calls it for each module, class, function and attribute, once."""
        if obj.docstring:
            obj.docstring.value = as_google(obj.docstring.value)
