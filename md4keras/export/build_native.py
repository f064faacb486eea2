"""The process of `export_native`: has JAX lower the denoiser."""

import functools

import jax
import keras

from md4keras.export import assets, subprocesses
from md4keras.export.limits import Limits
from md4keras.export.signatures import Signatures, predict_logits

NAME = "serving_default"
PLATFORMS = ("cpu", "cuda")


def build(order: dict) -> None:
    """Writes a SavedModel into the empty folder `order["target"]`."""
    model = subprocesses.load(order)
    signature = Signatures(model, None, Limits()).serving_default()
    subprocesses.say(order, "Lowering ...")
    # No paths of this machine in the program, nor in the errors that a server sends.
    jax.config.update("jax_traceback_in_locations_limit", 0)
    archive = keras.export.ExportArchive()
    archive.track(model.network)
    archive.add_endpoint(
        NAME,
        signature.with_parameters(functools.partial(predict_logits, model)),
        signature.specs,
        jax2tf_kwargs={"native_serialization_platforms": PLATFORMS},
    )
    subprocesses.say(order, "Writing ...")
    archive.write_out(order["target"], verbose=False)
    assets.write(order["target"], model, {NAME: signature})
