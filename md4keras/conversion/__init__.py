"""Published checkpoints as models: `load`, from their files; `from_md4` and others, from arrays.

Reference: Shi et al. 2024 (arXiv 2406.04329), Sahoo et al. 2024 (arXiv 2406.07524), Arriola et al.
2025 (arXiv 2503.09573), Nie et al. 2025 (arXiv 2502.09992), and the code published with them.
"""

from md4keras.conversion.llada import from_llada
from md4keras.conversion.loading import load
from md4keras.conversion.mdlm import from_bd3lm, from_mdlm
from md4keras.conversion.published import build_network, from_md4, load_network

__all__ = [
    "build_network",
    "from_bd3lm",
    "from_llada",
    "from_md4",
    "from_mdlm",
    "load",
    "load_network",
]
