"""The process of `export_native`: has JAX lower the denoiser.

Reads an order from `md4keras.export.native`; see `md4keras.export.subprocesses`.
"""

import inspect
import sys

import jax
import keras
import tensorflow as tf

from md4keras.export import assets, subprocesses
from md4keras.export.limits import Limits
from md4keras.export.signatures import Signatures

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
        _denoiser(model, [each.name for each in signature.arguments]),
        [tf.TensorSpec(each.shape, each.dtype, each.name) for each in signature.arguments],
        jax2tf_kwargs={"native_serialization_platforms": PLATFORMS},
    )
    subprocesses.say(order, "Writing ...")
    archive.write_out(order["target"], verbose=False)
    assets.write(order["target"], model, {NAME: signature})


def _denoiser(model, names):
    """`model.network_logits` as a function of the named inputs, in their order."""

    def answer(*values):
        request = dict(zip(names, values, strict=True))
        time = request.get("time", 0.0)
        return {"logits": model.network_logits(request["tokens"], time, request.get("labels"))}

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    answer.__signature__ = inspect.Signature([inspect.Parameter(name, kind) for name in names])
    return answer


if __name__ == "__main__":
    sys.exit(subprocesses.serve(build))
