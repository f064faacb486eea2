"""Shared by all layers: registration, configuration and, mostly, the shape of the output."""

import inspect

import keras


def register(cls):
    """Registers a layer or network with Keras, and its constructor's arguments for `get_config`.

    Each argument is kept in the attribute of its name, or in that with `_rate` behind it where the
    name is that of a `Dropout`. A class below it inherits the arguments.
    """
    cls.config_names = argument_names(cls)
    return keras.saving.register_keras_serializable(package="md4keras")(cls)


def argument_names(cls) -> tuple[str, ...]:
    """The names of a constructor's arguments."""
    return tuple(inspect.getfullargspec(cls.__init__).args[1:])


def arguments_of(registered, names) -> dict:
    """The constructor's arguments of these names, from the attributes of a layer or network."""
    rates = {name: f"{name}_rate" for name in names if hasattr(registered, f"{name}_rate")}
    return {name: getattr(registered, rates.get(name, name)) for name in names}


class Layer(keras.layers.Layer):
    """A layer whose output, unless it says otherwise, has the shape of its (first) input."""

    config_names = ()

    def add_layer(self, layer, *shapes) -> None:
        """Builds a layer of these inputs, and keeps it as the attribute of its name."""
        layer.build(*shapes)
        setattr(self, layer.name, layer)

    def compute_output_shape(self, x_shape, *other_shapes):
        return x_shape

    def get_config(self):
        return {**super().get_config(), **arguments_of(self, self.config_names)}
