"""Model-FLOP utilisation: the arithmetic that a step needs, against what the device can do.

Counted is the arithmetic of the model, not of the program: nothing that is recomputed, and no
element-wise work. A kernel of `K` weights takes `2 K` operations wherever it is applied, and twice
as many in the backward pass; attention over `L` positions takes `4 L width` a position and layer
forward (queries by keys, weights by values). So a step of `B` examples takes

    6 (B L K_position + B K_example + H K_head) + 12 layers width L (B L)

with `K_position` the kernels applied at each position, `K_example` those of the conditioning,
applied once an example, and `H` the positions whose logits are counted. The loss needs logits where
a token is masked, half of the positions on average: `H = B L / 2` for `mfu`, whether or not the
program computes more. The usual convention, `6 N` operations a token, has `H = B L`:
`mfu_full_head`. Of a program that skips the other half, that counts work that is not done.
"""

import math

# Dense bfloat16, without sparsity, in TFLOP/s, as the vendor's data sheets state it; names as JAX's
# `device_kind` begins.
PEAK_TFLOPS = {
    "NVIDIA H200 NVL": 835.5,
    "NVIDIA H200": 989.4,
    "NVIDIA H100 PCIe": 756.0,
    "NVIDIA H100 NVL": 835.5,
    "NVIDIA H100": 989.4,
    "NVIDIA A100": 312.0,
}


def peak_tflops(device_kind: str) -> float | None:
    """What the device can do in dense bfloat16, 1e12 operations a second; `None` if unknown.

    Args:
        device_kind: str, as JAX names it.
    """
    known = [name for name in PEAK_TFLOPS if device_kind.startswith(name)]
    return PEAK_TFLOPS[max(known, key=len)] if known else None


def training_tflop(network, batch_size: int, head_fraction: float = 0.5) -> float:
    """The model's arithmetic in one training step, 1e12 operations.

    Args:
        network: a `md4keras.networks.Transformer`.
        batch_size: int, examples.
        head_fraction: float, the part of the positions whose logits are counted.
    """
    (length,) = network.data_shape
    positions = batch_size * length
    kernels = {"position": 0, "example": 0, "head": 0}
    for variable in network.trainable_variables:
        if variable.path.endswith("kernel"):
            kernels[_applied(variable.path)] += math.prod(variable.shape)
    width = network.num_heads * network.feature_dim
    products = 6 * (
        positions * kernels["position"]
        + batch_size * kernels["example"]
        + head_fraction * positions * kernels["head"]
    )
    return (products + 12 * network.num_layers * width * length * positions) / 1e12


def tokens_per_second(network, peak: float, utilisation: float) -> float:
    """How many tokens a second a device trains on at this part of its peak.

    Args:
        network: a `md4keras.networks.Transformer`.
        peak: float, 1e12 operations a second.
        utilisation: float in (0, 1], as `mfu`.
    """
    (length,) = network.data_shape
    return utilisation * peak * length / training_tflop(network, batch_size=1)


def _applied(path: str) -> str:
    parts = path.split("/")
    if "head" in parts:
        return "head"
    return "example" if {"conditioning", "modulation"} & set(parts) else "position"
