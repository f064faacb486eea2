"""LLaDA's network of text: a Llama whose tokens all see each other."""

from md4keras.checks import Interval, check_number, check_whole
from md4keras.layers import (
    Dropout,
    LlamaBlock,
    TiedVocabularyHead,
    VocabularyHead,
    attended_and_positions,
)
from md4keras.layers.attention import check_groups, check_heads
from md4keras.layers.base import register
from md4keras.layers.modulation import EPSILON, rms_norm
from md4keras.layers.positions import MAX_WAVELENGTH
from md4keras.networks.network import Network

_TAKEN = {"dropout", "remat", "dtype", "name", "trainable", "quantization_config"}


@register
class Llama(Network):
    """Bidirectional Llama, the network of LLaDA: it is told neither time nor label.

    Args:
        vocabulary_size: int `V`, without the mask.
        sequence_length: int `L`, the usual length; texts of any length will do.
        num_layers: int.
        num_heads: int, a divisor of `hidden_dim` that leaves heads of even size.
        hidden_dim: int, the width.
        intermediate_dim: int, the width inside the MLPs.
        num_key_value_heads: int, a divisor of `num_heads`: groups of heads share their keys and
            values; `None` for heads that share nothing.
        rope_max_wavelength: float, of the rotary positions (LLaDA: 500,000).
        layer_norm_epsilon: float, added to the mean square.
        tie_word_embeddings: bool, whether the head's kernel is the table of the embedding.
        kwargs: `dropout`, of the embedding, the attention probabilities, and the outputs of
            attention and MLP; `remat`, `dtype`, `name`, `trainable`: see `Network`.

    Call arguments:
        inputs: dictionary with `"tokens"`, int `[B, L]`, the mask token `V` where masked, which
            may have a `"padding_mask"` or `"segment_ids"`, as that of a `Transformer`.
        training: bool.

    Returns:
        float32 tensor `[B, L, V]`: logits.

    Raises:
        ValueError: for a wrong argument, or heads that do not divide the width or fill no groups.

    Example:

    >>> import md4keras, numpy as np
    >>> network = md4keras.networks.Llama(
    ...     vocabulary_size=27, sequence_length=16, num_layers=2, num_heads=4, hidden_dim=32,
    ...     intermediate_dim=96, num_key_value_heads=2)
    >>> tuple(network({"tokens": np.full((3, 16), 27)}).shape)
    (3, 16, 27)

    Reference: Nie et al. 2025, *Large Language Diffusion Models* (arXiv 2502.09992), Section 3
    and Appendix B; Touvron et al. 2023 (arXiv 2307.09288); Ainslie et al. 2023 (arXiv 2305.13245).
    """

    takes_padding_mask = True
    takes_segment_ids = True
    not_taken = frozenset({"feature_dim", "time_features", "num_classes", "label_dropout"})

    def __init__(
        self,
        vocabulary_size: int,
        sequence_length: int,
        num_layers: int,
        num_heads: int,
        hidden_dim: int,
        intermediate_dim: int,
        num_key_value_heads: int | None = None,
        rope_max_wavelength: float = MAX_WAVELENGTH,
        layer_norm_epsilon: float = EPSILON,
        tie_word_embeddings: bool = False,
        **kwargs,
    ):
        if unknown := sorted(kwargs.keys() - _TAKEN):
            raise TypeError(f"A Llama has no argument {unknown[0]!r}.")
        self.sequence_length = check_whole("sequence_length", sequence_length)
        self.num_heads = check_whole("num_heads", num_heads)
        self.hidden_dim = check_whole("hidden_dim", hidden_dim)
        check_heads("hidden_dim", hidden_dim, num_heads)
        self.intermediate_dim = check_whole("intermediate_dim", intermediate_dim)
        self.num_key_value_heads = check_groups(num_key_value_heads, num_heads)
        check_number("rope_max_wavelength", rope_max_wavelength, Interval(1, with_low=False))
        self.rope_max_wavelength = float(rope_max_wavelength)
        check_number("layer_norm_epsilon", layer_norm_epsilon, Interval(0))
        self.layer_norm_epsilon = float(layer_norm_epsilon)
        self.tie_word_embeddings = bool(tie_word_embeddings)
        shape = (sequence_length,)
        super().__init__(vocabulary_size, shape, num_layers, hidden_dim, "none", **kwargs)

    def make_layers(self, dtype):
        self.token_embedding = self.make_token_embedding(self.hidden_dim, dtype)
        self.embedding_dropout = Dropout(self.dropout, dtype=dtype, name="embedding_dropout")
        heads = self.num_heads, self.num_key_value_heads
        numbers = self.dropout, self.rope_max_wavelength, self.layer_norm_epsilon
        arguments = (*heads, self.intermediate_dim, *numbers, self.remat)
        self.blocks = [
            LlamaBlock(*arguments, dtype=dtype, name=f"block_{index}")
            for index in range(self.num_layers)
        ]
        self.output_norm = rms_norm(dtype, "output_norm", self.layer_norm_epsilon)
        if self.tie_word_embeddings:
            self.head = TiedVocabularyHead(self.token_embedding, dtype=dtype, name="head")
        else:
            self.head = VocabularyHead(self.vocabulary_size, dtype=dtype, name="head")

    def connect(self, tokens, conditioning, padding_mask=None, segment_ids=None):
        mask, positions = attended_and_positions(padding_mask, segment_ids)
        x = self.embedding_dropout(self.token_embedding(tokens))  # [B, L, hidden_dim]
        for block in self.blocks:
            x = block(x, None, mask, positions)
        return self.output_norm(x)

    def get_config(self):
        config = super().get_config()
        return {name: value for name, value in config.items() if name not in self.not_taken}
