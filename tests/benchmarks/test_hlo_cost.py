"""Counting the arithmetic of loops: against the same program without loops."""

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from benchmarks.hlo_cost import Program

pytestmark = pytest.mark.one_backend

X, W = jnp.ones((8, 16)), jnp.ones((16, 16))
PRODUCT = 2 * 8 * 16 * 16  # of X and W


def compiled(function, *arguments):
    return jax.jit(function).lower(*arguments).compile()


def further(function, *arguments, turns=1):
    return Program(compiled(function, *arguments).as_text()).further_flops(turns)


def repeat(count, function):
    return lambda x, w: lax.fori_loop(0, count, lambda _, x: function(x, w), x)


def product(x, w):
    return jnp.tanh(x @ w)


def test_known_loop():
    assert further(repeat(5, product), X, W) == 4 * PRODUCT


def test_no_loop():
    program = Program(compiled(product, X, W).as_text())
    assert program.further_flops(7) == 0
    assert program.flops(7) == PRODUCT
    assert not program.dynamic_products()


def test_nested_loops():
    nested = repeat(3, lambda x, w: product(repeat(4, product)(x, w), w))
    assert further(nested, X, W) == (3 * 5 - 2) * PRODUCT  # XLA counts one of each


def dynamic(x, w, count):
    return lax.while_loop(
        lambda state: state[0] < count,
        lambda state: (state[0] + 1, repeat(2, product)(state[1], w)),
        (0, x),
    )[1]


def test_dynamic_loop_turns_as_often_as_said():
    assert further(dynamic, X, W, 3, turns=10) == (10 * 2 - 1) * PRODUCT
    assert further(dynamic, X, W, 3, turns=1) == PRODUCT


def test_total_with_xlas_count_is_that_of_the_program_without_loops():
    def gradient(function):
        return jax.grad(lambda x, w: function(x, w).sum(), 1)

    def scanned(x, w):
        return lax.scan(lambda x, _: (product(x, w), None), x, length=4)[0]

    def unrolled(x, w):
        return product(product(product(product(x, w), w), w), w)

    looped = compiled(gradient(scanned), X, W)
    plain = Program(compiled(gradient(unrolled), X, W).as_text())
    counted = looped.cost_analysis()["flops"] + Program(looped.as_text()).further_flops(1)
    assert counted == pytest.approx(plain.flops(1), rel=0.15)  # XLA counts tanh and sums too


@pytest.mark.parametrize("strides", [(1, 1), (2, 2)])
def test_convolutions_are_counted_as_xla_does(strides):
    kernel = jnp.ones((3, 3, 8, 8))

    def convolution(x, kernel):
        numbers = ("NHWC", "HWIO", "NHWC")
        return lax.conv_general_dilated(x, kernel, strides, "SAME", dimension_numbers=numbers)

    def backward(x, kernel, dy):
        return jax.vjp(convolution, x, kernel)[1](dy)

    x = jnp.ones((2, 6, 6, 8))
    dy = convolution(x, kernel)
    for function, arguments in ((convolution, (x, kernel)), (backward, (x, kernel, dy))):
        program = compiled(function, *arguments)
        counted = Program(program.as_text()).flops(1)
        assert counted == pytest.approx(program.cost_analysis()["flops"], rel=0.05)


def test_branches_count_as_the_dearest():
    def choose(x, w, first):
        return lax.cond(first, product, lambda x, w: product(product(x, w), w), x, w)

    assert Program(compiled(choose, X, W, True).as_text()).flops(1) == 2 * PRODUCT


def test_rows_of_a_chunk():
    head = jnp.ones((16, 50))

    def chunks(x, w, count):
        def body(state):
            turn, total = state
            rows = lax.dynamic_slice_in_dim(x, 2 * turn, 2)
            loss, gradient = jax.value_and_grad(
                lambda w: jax.nn.logsumexp(rows @ w, axis=-1).sum()
            )(w)
            return turn + 1, total + gradient * loss

        return lax.while_loop(lambda s: s[0] < count, body, (0, jnp.zeros_like(w)))[1]

    program = Program(compiled(chunks, X, head, 3).as_text())
    assert program.chunk_rows(width=16, vocabulary_size=50) == 2
    assert program.chunk_rows(width=16, vocabulary_size=51) is None


def test_text_that_is_no_program():
    with pytest.raises(ValueError, match="ENTRY"):
        Program("HloModule")
