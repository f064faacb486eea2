"""Asks an exported model on TensorFlow Serving, by REST or gRPC; needs neither Keras nor a model.

```python
from md4keras.client import request

answer = request(
    "http://localhost:8501/v1/models/text", "generate_text", {"num_samples": 4, "seed": 1}
)
print(*answer["text"], sep="\n")
```
"""

from md4keras.client.ask import DEFAULT_TIMEOUT, request
from md4keras.client.errors import ServingError

__all__ = ["DEFAULT_TIMEOUT", "ServingError", "request"]
