"""A model saved under one backend is the same model under another."""

import os
import subprocess
import sys

import keras
import numpy as np

from md4keras import MD4, save_model
from md4keras.networks import Llama, Transformer
from tests.reference import ROOT, array

# The two that every installation of the tested versions has.
OTHER = {"jax": "tensorflow", "tensorflow": "jax", "torch": "jax"}

SCRIPT = """
import sys
import keras, numpy as np
import md4keras
model = md4keras.load_model(sys.argv[1])
zt = np.load(sys.argv[1] + "/../zt.npy")
logits = keras.ops.convert_to_numpy(model.predict_logits(zt, 0.4, [0, 2]))
tokens = model.generate(4, labels=1, num_steps=5, seed=3)
llama = md4keras.load_model(sys.argv[1] + "/../llama")
of_llama = keras.ops.convert_to_numpy(llama.predict_logits(zt, None))
np.savez(sys.argv[2], logits=logits, tokens=tokens, of_llama=of_llama)
"""


def test_another_backend_loads_the_model_and_draws_the_same_tokens(tmp_path):
    transformer = Transformer(6, 10, num_layers=2, num_heads=2, feature_dim=8, num_classes=3)
    rng = np.random.default_rng(0)
    llama = Llama(6, 10, 2, 4, 16, 24, num_key_value_heads=2)
    for variable in (*transformer.trainable_variables, *llama.trainable_variables):
        variable.assign(0.3 * rng.normal(size=variable.shape))
    model, llama = MD4(transformer, schedule="cosine"), MD4(llama)
    save_model(model, tmp_path / "model")
    save_model(llama, tmp_path / "llama")
    zt = rng.integers(0, 7, (2, 10), "int32")
    np.save(tmp_path / "zt.npy", zt)
    environment = {**os.environ, "KERAS_BACKEND": OTHER[keras.backend.backend()]}
    environment["PYTHONPATH"] = str(ROOT)
    result = tmp_path / "result.npz"
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "model"), str(result)],
        check=True,
        env=environment,
    )
    with np.load(result) as other:
        ours = array(model.predict_logits(zt, 0.4, [0, 2]))
        np.testing.assert_allclose(ours, other["logits"], atol=1e-5, rtol=1e-5)
        tokens = model.generate(4, labels=1, num_steps=5, seed=3)
        np.testing.assert_array_equal(tokens, other["tokens"])
        of_llama = array(llama.predict_logits(zt, None))
        np.testing.assert_allclose(of_llama, other["of_llama"], atol=1e-5, rtol=1e-5)
