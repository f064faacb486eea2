"""Clean tokens and noised ones of the same text, side by side through a transformer block.

Reference: Arriola et al. 2025, *Block Diffusion* (arXiv 2503.09573), Section 3.2.
"""

from md4keras.layers.base import Layer


class TwoStreams(Layer):
    """A block for two streams: the noised tokens see keys and values of the clean ones.

    (They are to the noised tokens what a `Cache` is in drawing. No noised token is looked at where
    clean ones are asked for, and what nobody asks for, the last clean stream, is left out by a
    compiler.)

    Args:
        block: a `PreNormBlock`, which is built; its variables stay its own.

    Call arguments:
        noised, clean: float `[B, L, width]`.
        conditioning, positions: as those of the block, for both.
        noised_mask: bool `[B, L, 2 L]`, of `attended_by_noised`.
        clean_mask: bool `[B, L, L]`, of `attended_in_blocks`.
        training: bool.

    Returns:
        two tensors `[B, L, width]`.
    """

    def __init__(self, block):
        super().__init__(dtype=block.compute_dtype, name=f"{block.name}_in_two_streams")
        self.block = block
        self.built = True

    def call(
        self, noised, clean, conditioning, noised_mask, clean_mask, positions=None, training=None
    ):
        where = clean_mask, positions
        clean, *stored = self.block(clean, conditioning, *where, (), training=training)
        where = noised_mask, positions
        noised, *_ = self.block(noised, conditioning, *where, stored, training=training)
        return noised, clean

    def compute_output_shape(self, noised_shape, clean_shape, *other_shapes):
        return noised_shape, clean_shape
