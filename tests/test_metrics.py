"""Metrics in bits and perplexity."""

import math

import keras
import numpy as np

from md4keras import metrics


def test_bits_and_perplexity_of_a_uniform_guess():
    nats = np.full((6,), math.log(8.0), "float32")
    bits, perplexity = metrics.BitsPerDimension(), metrics.Perplexity()
    bits.update_state(nats)
    perplexity.update_state(nats)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(bits.result()), 3.0, rtol=1e-6)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(perplexity.result()), 8.0, rtol=1e-5)


def test_perplexity_is_of_the_mean_over_batches():
    perplexity = metrics.Perplexity()
    perplexity.update_state([0.0])
    perplexity.update_state([math.log(4.0)])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(perplexity.result()), 2.0, rtol=1e-6)
