"""Fine-tuning through adapters (LoRA), beside weights that may be quantized."""

import math


def check(settings: dict, init_from) -> None:
    """Refuses adapters of a network that was never trained, and few bits without adapters.

    Raises:
        ValueError: with what to set instead.
    """
    rank, bits = settings["lora.rank"], settings["lora.quantize"]
    if rank is not None and init_from is None:
        raise ValueError(
            "Adapters are for a network that was trained before. Expected --init-from MODEL along "
            f"with `lora.rank`. Received: lora.rank={rank}. Name the model, or leave it out."
        )
    if bits is not None and rank is None:
        raise ValueError(
            "Quantized weights are not trained. Expected `lora.rank` along with `lora.quantize`. "
            f"Received: lora.quantize={bits}, lora.rank=None. Add lora.rank=8."
        )


def add(model, settings: dict) -> None:
    """Quantizes the network and gives it adapters, as far as the settings ask for it."""
    if settings.get("lora.quantize"):
        model.quantize(settings["lora.quantize"])
    if settings.get("lora.rank"):
        model.enable_lora(settings["lora.rank"])


def line(model) -> str:
    """What is trained, for people."""
    count = sum(math.prod(variable.shape) for variable in model.trainable_variables)
    layers = len(model.network.lora_layers)
    return f"Adapters of rank {model.network.lora_rank} in {layers} layers: {count:,} numbers"
