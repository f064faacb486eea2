"""What four tiny models give at one commit, run as `python -m tests.goldens.make`.

Weights and seeds are set by the variables' paths, so the order in which layers are made is free.
"""

import os
import sys
import zlib
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

import md4keras
from md4keras import samplers

FOLDER = Path(__file__).parent
SAMPLERS = {
    "ancestral": lambda: "ancestral",
    "argmax": lambda: samplers.Ancestral(last="argmax"),
    "mean": lambda: "mean",
    "top_p": lambda: "top_p",
    "top_k": lambda: samplers.TopK(3),
    "event": lambda: "event",
    "event_filtered": lambda: samplers.Event(filters=(samplers.TopP(0.8),), last="argmax"),
    "first_hitting": lambda: "first_hitting",
    "confidence": lambda: "confidence",
    "confidence_margin": lambda: samplers.Confidence(rule="margin"),
    "confidence_entropy_noise": lambda: samplers.Confidence(rule="entropy", noise_temperature=2.0),
    "remasking": lambda: samplers.Remasking(eta=0.2),
    "remasking_rescaled": lambda: samplers.Remasking(rule="rescaled", eta=0.3),
    "remasking_confidence": lambda: samplers.Remasking(rule="confidence"),
}
OF_GENMD4 = ("ancestral", "argmax", "mean", "top_p", "top_k", "confidence", "confidence_margin")


def text():
    network = md4keras.networks.Transformer(
        11, 12, 2, 2, 8, mlp_type="glu", conditioning_type="adaln_zero", dropout=0.1, name="net"
    )
    return md4keras.MD4(network, seed=3, name="text")


def general():
    network = md4keras.networks.Transformer(
        11, 12, 2, 2, 8, embedding="outside", num_classes=3, label_dropout=0.2, name="net"
    )
    return md4keras.GenMD4(network, power_init=1.5, seed=4, name="general")


def image():
    network = md4keras.networks.UNet(
        7, (4, 4, 1), 1, 64, num_classes=3, label_dropout=0.1, dropout=0.1, name="net"
    )
    return md4keras.MD4(network, schedule="cosine", seed=5, name="image")


def large_image():
    network = md4keras.networks.UViT(
        7, (4, 4, 3), 1, 32, 1, 2, 16, dropout=0.1, remat="full", time_features="none", name="net"
    )
    return md4keras.MD4(network, schedule="poly2", timesteps=20, seed=6, name="large_image")


MODELS = {"text": text, "general": general, "image": image, "large_image": large_image}


def build(name):
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    for variable in model.variables:
        rng = np.random.default_rng(zlib.crc32(variable.path.encode()))
        if "int" in str(variable.dtype):
            if "seed_generator" not in variable.path or "random" in variable.path:
                variable.assign(rng.integers(0, 2**30, variable.shape))
        elif "schedule/theta" in variable.path:
            variable.assign(np.linspace(-0.5, 2.0, variable.shape[0]))
        elif "evaluation_point" not in variable.path:
            scale = 0.3 if len(variable.shape) < 2 else variable.shape[-2] ** -0.5
            variable.assign(rng.normal(size=variable.shape) * scale)
    return model


def data(model, count=6):
    rng = np.random.default_rng(7)
    x = rng.integers(0, model.network.vocabulary_size, (count, *model.network.data_shape))
    classes = model.network.num_classes
    return x.astype("int32"), np.arange(count) % classes if classes else None


def tokens_of(name):
    """Samples and completions by every sampler."""
    model, found = build(name), {}
    x, labels = data(model, 5)
    mask = np.random.default_rng(8).random(x.shape) < 0.5
    mask[:, 0] = True
    for sampler, make in SAMPLERS.items():
        if name == "general" and sampler not in OF_GENMD4:
            continue
        how = {"sampler": make(), "num_steps": 6, "seed": 9}
        found[f"generate/{sampler}"] = model.generate(5, labels, **how)
        found[f"infill/{sampler}"] = model.infill(x, mask, labels, **how)
    more = {"num_steps": 5, "time_grid": "uniform", "temperature": 0.7, "seed": 2**31 + 5}
    if model.network.num_classes:
        more["guidance_scale"] = 2.5
    found["generate/settings"] = model.generate(4, None if labels is None else 1, **more)
    found["infill/settings"] = model.infill(x, mask, labels, start_time=0.6, **more)
    if len(x.shape) == 2:
        found["generate/short"] = model.generate(
            3, labels and None if labels is None else labels[:3], num_steps=4, data_shape=(7,)
        )
        blocks = model.generate_blocks(
            2, 15, None if labels is None else labels[:2], prompt=[1, 2, 3], num_steps=3, seed=1
        )
        found["blocks"] = np.concatenate(list(blocks), axis=1)
    return found


def numbers_of(name):
    """Logits, losses, gradients, scores, evaluation and five training steps; JAX alone."""
    import jax

    model, found = build(name), {}
    x, labels = data(model)
    zt = np.where(np.random.default_rng(10).random(x.shape) < 0.6, model.mask_token, x)
    t = np.linspace(0.1, 0.9, len(x)).astype("float32")
    if name == "large_image":
        t = (np.floor(t * 20) + 1).astype("float32") / np.float32(20)
    found["logits"] = model.predict_logits(zt, t, labels)
    found["diffusion_loss"] = model.diffusion_loss(x, zt, t, labels)
    found["reconstruction_loss"] = model.reconstruction_loss(x)
    nats, error = model.score(x, labels, num_samples=6, seed=3, batch_size=8)
    found["score"], found["score_error"] = nats, error
    given = np.random.default_rng(11).random(x.shape) < 0.4
    given[:, 0] = False
    found["score_given"], _ = model.score(x, labels, num_samples=5, seed=3, given=given)
    model.compile(keras.optimizers.AdamW(1e-3, use_ema=True, ema_momentum=0.9))
    report = model.evaluate(
        x, labels, batch_size=4, num_passes=2, seed=1, return_dict=True, verbose=0
    )
    found |= {f"evaluate/{key}": value for key, value in report.items()}

    model = build(name)
    for variable in model.non_trainable_variables:
        if "int" in str(variable.dtype) and variable.path.startswith("seed_generator"):
            variable.assign(np.array([0, 12]))

    def loss(trainable, dense):
        model.dense_loss = dense
        value, _ = model.stateless_compute_loss(
            trainable,
            [v.value for v in model.non_trainable_variables],
            [v.value for v in model.metrics_variables],
            x=x,
            y=labels,
            training=True,
        )
        return value

    trainable = [v.value for v in model.trainable_variables]
    for dense in (False, True):
        value, gradients = jax.value_and_grad(loss)(trainable, dense)
        found[f"loss/{dense}"] = value
        for variable, gradient in zip(model.trainable_variables, gradients, strict=True):
            found[f"gradient/{dense}/{variable.path}"] = gradient
    model.dense_loss = False
    model.compile(keras.optimizers.AdamW(1e-2, use_ema=True, ema_momentum=0.9))
    weights = np.array([1.0, 2.0, 0.5, 1.0, 0.0, 1.0], "float32") if labels is not None else None
    for step in range(5):
        logs = model.train_on_batch(x, labels, sample_weight=weights, return_dict=True)
        found |= {f"step{step}/{key}": value for key, value in logs.items()}
    for variable in model.trainable_variables:
        found[f"trained/{variable.path}"] = variable.numpy()
    return {key: np.asarray(value) for key, value in found.items()}


def collect():
    found = {}
    for name in MODELS:
        found |= {f"{name}/tokens/{key}": np.asarray(v) for key, v in tokens_of(name).items()}
        if keras.backend.backend() == "jax":
            found |= {f"{name}/{key}": value for key, value in numbers_of(name).items()}
    return found


def main():
    backend = keras.backend.backend()
    np.savez_compressed(FOLDER / f"{backend}.npz", **collect())
    if backend == "jax":
        for name in MODELS:
            model = build(name)
            if name in ("text", "general"):
                from md4keras.tokenizers import CharacterTokenizer

                model.tokenizer = CharacterTokenizer("abcdefghij ")
            model.recipe = {"recipe": name, "steps": 5}
            md4keras.save_model(model, FOLDER / "saved" / name)


if __name__ == "__main__":
    sys.exit(main())
