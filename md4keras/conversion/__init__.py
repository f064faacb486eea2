"""Published JAX checkpoints as models: `from_md4`, and what it does for a network alone.

Reference: Shi et al. 2024 (arXiv 2406.04329) and the code published with it.
"""

from md4keras.conversion.published import build_network, from_md4, load_network

__all__ = ["build_network", "from_md4", "load_network"]
