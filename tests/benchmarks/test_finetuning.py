"""Memory of fine-tuning a large model, from a few of its layers and without its weights."""

import math

import pytest

from benchmarks import finetuning

pytestmark = pytest.mark.one_backend


def points(*temporary):
    """What steps with 4, 8 and 12 layers need."""
    return [
        {"weights_gb": 3.0 + 0.4 * layers, "temporary_gb": each}
        for layers, each in zip(finetuning.LAYERS, temporary, strict=True)
    ]


def test_the_line_through_a_few_layers_is_followed_to_all():
    found = finetuning.whole(points(2.0, 2.4, 2.8))
    assert found["weights_gb"] == pytest.approx(3.0 + 0.4 * 32)
    assert found["temporary_gb"] == pytest.approx(2.0 + 0.1 * 28)
    assert found["total_gb"] == pytest.approx(15.8 + 4.8)
    assert found["fits_gb"] == 24
    assert finetuning.whole(points(40.0, 50.0, 60.0))["fits_gb"] is None


def test_what_does_not_lie_on_a_line_is_no_figure():
    with pytest.raises(RuntimeError, match="Expected temporary_gb=2.8 with 12 layers.*3.1"):
        finetuning.whole(points(2.0, 2.4, 3.1))


def test_the_shape_is_that_of_the_published_model():
    """8.02 billion weights, those of the embedding and the head 1.04 of them, and none is made."""
    sizes = {"num_layers": 32, "sequence_length": 64}
    model = finetuning.model_without_numbers({**finetuning.LLADA_8B, **sizes})
    width, hidden, table = 4096, 12288, 126464
    blocks = 32 * (4 * width**2 + 3 * width * hidden + 2 * width)
    published = blocks + 2 * table * width + width
    adapters = 32 * 8 * (4 * 2 * width + 3 * (width + hidden))
    sizes = [math.prod(v.shape) for v in model.network.trainable_variables]
    assert sum(sizes) == adapters
    frozen = [v for v in model.network.non_trainable_variables if v.dtype != "uint32"]
    assert sum(math.prod(v.shape) for v in frozen) == published - width  # no logit of the mask


@pytest.mark.slow
def test_a_small_step_is_measured_and_adapters_take_little():
    one, two = (finetuning.measure(layers, 2, 16, tiny=True) for layers in (1, 2))
    assert two["weights_gb"] > one["weights_gb"] and two["adapters_gb"] == 2 * one["adapters_gb"]
    assert 0 < two["temporary_gb"] < 1e-2
