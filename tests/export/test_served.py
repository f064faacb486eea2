"""`md4keras request` and the client ask a real export behind TensorFlow Serving's protocols."""

import numpy as np
import pytest

from md4keras import cli
from md4keras.client import ServingError, request
from tests.serving_double import ServingDouble

# In one process: the exports are shared.
pytestmark = [pytest.mark.one_backend, pytest.mark.xdist_group("export")]


def test_samples_come_by_rest_and_by_grpc(exported, capsys):
    model, folder = exported("text")
    expected = model.generate(3, seed=2, num_steps=5)
    with ServingDouble(folder) as server:
        for address in (server.rest_address, server.grpc_address):
            inputs = {"num_samples": 3, "seed": 2, "num_steps": 5}  # the rest by default
            np.testing.assert_array_equal(request(address, "generate", inputs)["tokens"], expected)
            command = ["request", address, "generate_text", "num_samples=3", "seed=2"]
            assert cli.main([*command, "num_steps=5"]) == 0
            assert capsys.readouterr().out.splitlines()[:3] == model.tokenizer.decode(expected)
            with pytest.raises(ServingError, match="1 <= num_samples <= 8") as refused:
                request(address, "generate", {"num_samples": 9})
            assert refused.value.status == "INVALID_ARGUMENT"
            assert cli.main(["request", address, "infill_text", 'text=["xyz___"]']) == 2
            assert "outside the alphabet" in capsys.readouterr().err
