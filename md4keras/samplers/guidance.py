"""Guidance: how the logits of several conditions become one."""

from typing import Any, NamedTuple

from keras import ops


class ClassifierFree(NamedTuple):
    """`unconditional + scale * (conditional - unconditional)`, both halves in one network call.

    Reference: Ho and Salimans 2022, *Classifier-Free Diffusion Guidance* (arXiv 2207.12598).

    Attributes:
        scale: float32 scalar tensor; 1 is the conditional model.
    """

    scale: Any

    def __call__(self, denoise, z, t, labels, null_label: int):
        """Guided logits `[B, ..., V]`.

        Args:
            denoise: function of tokens, time and labels that returns logits.
            z: int32 tensor `[B, *data_shape]`.
            t: float32 tensor `[B]`.
            labels: int32 tensor `[B]`.
            null_label: int, the label that stands for none.
        """
        z, t = (ops.concatenate([each, each], axis=0) for each in (z, t))
        labels = ops.concatenate([labels, ops.full_like(labels, null_label)], axis=0)
        conditional, unconditional = ops.split(denoise(z, t, labels), 2, axis=0)
        return unconditional + self.scale * (conditional - unconditional)


class PromptMasked(NamedTuple):
    """`unconditional + scale * (conditional - unconditional)`, where the one sees no prompt.

    In the unconditional half the tokens of the prompt are masked. (The published code's
    `cfg_scale` is `scale - 1`.)

    Reference: Nie et al. 2025, *Large Language Diffusion Models* (arXiv 2502.09992), Section 2.4
    and Appendix A.2; Nie et al. 2024 (arXiv 2410.18514).

    Attributes:
        scale: float32 scalar tensor; 1 is the model given the prompt.
        prompt: bool tensor `[B, L]`, where the tokens of the prompt are.
        mask_token: int32 scalar tensor.
    """

    scale: Any
    prompt: Any
    mask_token: Any

    def __call__(self, denoise, z, t, labels, null_label):
        """Guided logits `[B, ..., V]`; see `ClassifierFree`. The labels are those of both."""
        hidden = ops.where(self.prompt, self.mask_token, z)
        z, t = ops.concatenate([z, hidden], axis=0), ops.concatenate([t, t], axis=0)
        labels = None if labels is None else ops.concatenate([labels, labels], axis=0)
        conditional, unconditional = ops.split(denoise(z, t, labels), 2, axis=0)
        return unconditional + self.scale * (conditional - unconditional)
