"""An export serves a quantized model as it is, with the adapters beside its weights."""

import numpy as np
import pytest

from md4keras import MD4, export
from tests.networks.test_network import SMALL, with_random_weights
from tests.reference import array

tf = pytest.importorskip("tensorflow")


@pytest.mark.slow
@pytest.mark.one_backend
@pytest.mark.parametrize("name, mode, rank", [("transformer", "int8", 2), ("unet", "int4", None)])
def test_the_served_logits_are_those_of_the_model(name, mode, rank, tmp_path):
    model = MD4(with_random_weights(SMALL[name]()))
    model.quantize(mode)
    if rank:
        model.enable_lora(rank)
        for variable in model.trainable_variables:
            variable.assign(variable + 0.05)
    folder = export.export_saved_model(
        model, tmp_path / "served", signatures=["serving_default"], verbose=False
    )
    served = tf.saved_model.load(str(folder)).signatures["serving_default"]
    shape = (3, *model.network.data_shape)
    zt = np.random.default_rng(0).integers(0, 8, shape).astype("int32")
    time = np.linspace(0.1, 1.0, 3).astype("float32")
    logits = served(tokens=tf.constant(zt), time=tf.constant(time))["logits"].numpy()
    expected = array(model.predict_logits(zt, time))
    np.testing.assert_allclose(logits, expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.one_backend
@pytest.mark.slow
def test_files_for_other_runtimes_are_of_networks_in_float32():
    from md4keras.export.build_denoiser import check_not_quantized

    network = SMALL["transformer"]()
    check_not_quantized(network, "onnx")
    network.quantize("int8")
    with pytest.raises(ValueError, match="Received: one in int8"):
        check_not_quantized(network, "onnx")
