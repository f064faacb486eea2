"""The version of md4keras."""

__version__ = "0.1.0"
