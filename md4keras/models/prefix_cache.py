"""An approximate cache for models whose tokens all see each other: what stands before a block.

The keys and values of the tokens before a block are computed once, at its start, when the block is
nothing but masks, and kept while it is filled: each step then costs a call on the block alone. They
are exact at the first step. Later ones would see what has been revealed of the block, and these do
not: the logits are near those without a cache, and not the same (with one layer they are, as keys
then know their own token alone). At the next block they are computed anew.

Reference: Wu et al. 2025, *Fast-dLLM* (arXiv 2505.22618), Section 3.2, where masks behind the block
are computed in each step; here nothing stands behind it.
"""

import numpy as np

from md4keras.samplers.states import Start


def check_network(network) -> None:
    """Raises a `ValueError` for a network whose keys and values cannot be kept."""
    if not hasattr(network, "features_after"):
        raise ValueError(
            "The network cannot keep keys and values. Expected one with `features_after`, such as "
            f"`md4keras.networks.DiT`, for prefix_cache=True. Received: a {type(network).__name__}."
            " Leave `prefix_cache` out."
        )
    if network.time_conditioned:
        raise ValueError(
            "Keys and values of a network that is told the time change at every step. Expected one "
            "without time for prefix_cache=True. Received: time_features='t'. Leave `prefix_cache` "
            "out, or train with time_features='none'."
        )


def start_after(model, start: Start, is_guided: bool) -> Start:
    """The start of a block's run, given the keys and values of what stands before it.

    Args:
        model: with `cache_after`.
        start: of whole rows, each a text that ends with the block, all masks; rows are padded
            behind it, and rows that only fill the batch have no masks.
        is_guided: bool, whether the run has a second half, which the cache then has too.
    """
    masked, mask_token = start.z == model.mask_token, model.mask_token
    before, size = masked.argmax(axis=1).astype("int32"), int(masked.sum(axis=1).max())
    blocks = np.zeros_like(start.z)  # all see each other
    if start.padding_mask is not None:
        blocks = np.where(start.padding_mask, blocks, -1)
    z, labels = start.z, start.labels
    if is_guided:
        hidden, others = z, labels
        if start.prompt is None:
            others = np.full_like(labels, model.network.num_classes)
        else:
            hidden = np.where(start.prompt, mask_token, z)
        z = np.concatenate([z, hidden])
        labels = None if labels is None else np.concatenate([labels, others])
        before, blocks = np.tile(before, 2), np.tile(blocks, (2, 1))
    cache = model.network.empty_cache(len(z), start.z.shape[1] - size)
    cache = model._cache_after_arrays(cache, z, labels, blocks, before)
    block = np.where(masked.any(axis=1, keepdims=True), mask_token, np.zeros((1, size), "int32"))
    prompt = None if start.prompt is None else np.zeros(block.shape, "bool")
    return Start(block, start.labels, start.time, prompt=prompt, cache=cache)
