"""Tiny saved models, of text and of images, for what works on a model's folder."""

import numpy as np

import md4keras

LENGTH, CLASSES = 16, ("zero", "one", "two")


def save_text_model(folder, recipe=None):
    """A model of 16 characters of text8's alphabet; its weights say something, but nothing true."""
    network = md4keras.networks.Transformer(27, LENGTH, num_layers=1, num_heads=2, feature_dim=8)
    model = md4keras.MD4(network)
    model.tokenizer = md4keras.tokenizers.CharacterTokenizer()
    return _save(model, folder, recipe)


def save_image_model(folder, recipe=None):
    """A model of grey images of 8 x 8 pixels in 17 levels, of three classes."""
    network = md4keras.networks.UNet(17, (8, 8, 1), 0, 64, num_classes=len(CLASSES))
    recipe = {"class_names": list(CLASSES), **(recipe or {})}
    return _save(md4keras.MD4(network), folder, recipe)


def _save(model, folder, recipe):
    generator = np.random.default_rng(0)
    weights = [w + generator.normal(size=w.shape, scale=0.1) for w in model.network.get_weights()]
    model.network.set_weights(weights)
    model.recipe = recipe
    md4keras.save_model(model, folder)
    return model
