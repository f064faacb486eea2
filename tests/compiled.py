"""What a test computes with a model, as one program rather than operation by operation."""

import functools

import keras


def one_program(function, owner=None, **settings):
    """`function(*args, **settings)`, on JAX compiled as a whole: quicker for a call or two.

    The weights of `owner` (by default the layer that `function` is, or is a method of) are
    arguments of the program, read at each call: models of one kind share what is compiled. States
    of random generators go on as ever. Only arrays and what holds them can be `args`.
    """
    owner = owner or getattr(function, "__self__", function)
    function = functools.partial(function, **settings)
    if keras.backend.backend() != "jax":
        return function
    import jax

    @jax.jit
    def program(values, *args):
        mapping = list(zip(owner.variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping) as scope:
            outputs = function(*args)
        states = [scope.get_current_value(each) for each in owner.non_trainable_variables]
        return outputs, states

    def run(*args):
        outputs, states = program([variable.value for variable in owner.variables], *args)
        for variable, state in zip(owner.non_trainable_variables, states, strict=True):
            variable.assign(state)
        return outputs

    return run
