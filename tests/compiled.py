"""What a test computes with a model, as one program rather than operation by operation."""

import functools

from md4keras import backend


def one_program(function, owner=None, **settings):
    """`function(*args, **settings)`, on JAX compiled as a whole: quicker for a call or two.

    The weights of `owner` (by default the layer that `function` is, or is a method of) are
    arguments of the program, read at each call: models of one kind share what is compiled. States
    of random generators go on as ever. Only arrays and what holds them can be `args`.
    """
    owner = owner or getattr(function, "__self__", function)
    function = functools.partial(function, **settings)
    if backend.NAME != "jax":
        return function

    def with_states(*args):
        return function(*args), [variable.value for variable in owner.non_trainable_variables]

    program = backend.compile_function(owner, with_states)

    def run(*args):
        outputs, states = program(*args)
        for variable, state in zip(owner.non_trainable_variables, states, strict=True):
            variable.assign(state)
        return outputs

    return run
