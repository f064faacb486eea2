"""Published JAX checkpoints as models: `from_md4`, and what it does for a network alone."""

from md4keras.conversion.published import build_network, from_md4, load_network

__all__ = ["build_network", "from_md4", "load_network"]
