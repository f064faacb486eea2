"""Every public layer passes Keras's own layer test, in one of the files beside this one."""

import re
from pathlib import Path

import keras
import pytest
from keras.src.testing import TestCase

from md4keras import layers
from md4keras.layers.convolution import Conv2D


class LayerTest(TestCase):
    def test_convolution(self):
        self.run_layer_test(
            Conv2D,
            {"filters": 4, "kernel_size": 3, "padding": "same"},
            input_shape=(2, 5, 4, 3),
            expected_output_shape=(2, 5, 4, 4),
            expected_num_trainable_weights=2,
        )


@pytest.mark.one_backend
def test_no_layer_is_left_out():
    text = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*.py"))
    tested = set(re.findall(r"run_layer_test\(\s*(\w+),", text))
    public = (getattr(layers, name) for name in layers.__all__)
    ours = {x.__name__ for x in public if isinstance(x, type) and issubclass(x, keras.Layer)}
    assert ours <= tested, ours - tested
