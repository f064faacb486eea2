"""Writes reference_numbers.npz: what the packages that define the measures make of small inputs.

    pip install mauve-text safetensors transformers==5.24.0
    pip install --no-deps torch-fidelity==0.4.0    # torchvision is not needed here
    python -m tests.evaluation.make_reference_numbers

The numbers are of torch-fidelity 0.4.0, transformers 5.24.0, mauve-text 0.4.0 and torch 2.13.0.
tests/evaluation/test_reference_numbers.py makes them anew where these are installed.
"""

import sys
from pathlib import Path
from unittest import mock

import numpy as np

from tests.evaluation import tiny_gpt2, tiny_inception

PATH = Path(__file__).with_name("reference_numbers.npz")


def features(seed: int, count: int, dim: int = 64) -> np.ndarray:
    """Rows that are correlated, and whose mean and scale depend on the seed."""
    generator = np.random.default_rng(seed)
    mixing = generator.normal(size=(dim, dim)) / np.sqrt(dim)
    return generator.normal(size=(count, dim)) @ mixing + 0.3 * seed


def logits() -> np.ndarray:
    """Of 103 images in 12 classes."""
    return 3.0 * np.random.default_rng(7).normal(size=(103, 12))


def of_torch_fidelity() -> dict[str, np.ndarray]:
    """FID, KID, inception score, precision and recall, and what its Inception network gives."""
    import torch

    names = "", ".datasets", ".models", ".transforms", ".transforms.functional"
    with mock.patch.dict(sys.modules, {f"torchvision{name}": mock.MagicMock() for name in names}):
        from torch_fidelity import metric_fid, metric_isc, metric_kid, metric_prc
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    real, generated, few = (torch.tensor(features(*each)) for each in ((1, 90), (2, 80), (3, 20)))
    found = {}
    for name, each in (("", generated), ("_few", few)):
        one, other = map(metric_fid.fid_features_to_statistics, (each, real))
        fid = metric_fid.fid_statistics_to_metric(one, other, verbose=False)
        found[f"fid{name}"] = fid["frechet_inception_distance"]
    kid = metric_kid.kid_features_to_metric(
        generated, real, kid_subsets=10, kid_subset_size=50, rng_seed=2020, verbose=False
    )
    found["kid"] = [kid["kernel_inception_distance_mean"], kid["kernel_inception_distance_std"]]
    score = metric_isc.isc_features_to_metric(torch.tensor(logits()), splits=4, rng_seed=2020)
    found["inception_score"] = [score["inception_score_mean"], score["inception_score_std"]]
    near = metric_prc.prc_features_to_metric(
        generated, real, prc_neighborhood=3, prc_batch_size=10000, verbose=False
    )
    found["precision_recall"] = [near["precision"], near["recall"]]

    state = {name: torch.tensor(each) for name, each in tiny_inception.random_weights().items()}
    state["fc.bias"] = torch.zeros(1008)
    counted = {name.replace("running_mean", "num_batches_tracked") for name in state}
    state |= {name: torch.tensor(0) for name in counted if name.endswith("tracked")}
    outputs = ["2048", "logits_unbiased"]
    with mock.patch("torch.load", lambda path, weights_only: state):
        network = FeatureExtractorInceptionV3("random", outputs, "random.pth")
    images = torch.tensor(tiny_inception.images().transpose(0, 3, 1, 2))
    with torch.no_grad():
        two = network(images)
    return found | {"inception_features": two[0].numpy(), "inception_logits": two[1].numpy()}


def of_transformers() -> dict[str, np.ndarray]:
    """Each token's nats and the last hidden states under GPT-2 of texts, and their MAUVE."""
    import mauve
    import torch
    import transformers
    from mauve.utils import featurize_tokens_from_model

    pieces, sizes = tiny_gpt2.tokenizer(), tiny_gpt2.SIZES
    config = transformers.GPT2Config(
        vocab_size=pieces.vocabulary_size,
        n_positions=sizes["max_sequence_length"],
        n_embd=sizes["hidden_dim"],
        n_layer=sizes["num_layers"],
        n_head=sizes["num_heads"],
        n_inner=sizes["intermediate_dim"],
        bos_token_id=pieces.end_token_id,
        eos_token_id=pieces.end_token_id,
    )
    network = transformers.GPT2LMHeadModel(config).eval()
    state = {f"transformer.{k}": torch.tensor(v) for k, v in tiny_gpt2.weights(pieces).items()}
    network.load_state_dict(state | {"lm_head.weight": state["transformer.wte.weight"]})

    def tokens(texts):
        longest = sizes["max_sequence_length"]
        rows = [pieces.encode(text, special_tokens=True)[:longest] for text in texts]
        return [torch.tensor(np.asarray(row, "int64")) for row in rows]

    nats, counts = [], []
    for row in tokens(tiny_gpt2.WHOLE):
        with torch.no_grad():
            nats.append(float(network(row[None], labels=row[None]).loss) * (len(row) - 1))
        counts.append(len(row) - 1)
    sets = [
        featurize_tokens_from_model(network.transformer, tokens(texts), 8).numpy()
        for texts in (tiny_gpt2.GENERATED, tiny_gpt2.REFERENCES)
    ]
    score = mauve.compute_mauve(p_features=sets[0], q_features=sets[1])
    return {"nats": nats, "counts": counts, "text_features": sets[0][:5], "mauve": score.mauve}


if __name__ == "__main__":
    np.savez(PATH, **of_torch_fidelity(), **of_transformers())
