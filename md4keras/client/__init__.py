"""Requests to an exported model on TensorFlow Serving; they need neither Keras nor a model.

`request("http://localhost:8501/v1/models/text", "generate_text", {"seed": 1})["text"]`, say.
"""

from md4keras.client.ask import DEFAULT_TIMEOUT, request
from md4keras.client.errors import ServingError

__all__ = ["DEFAULT_TIMEOUT", "ServingError", "request"]
