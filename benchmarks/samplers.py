"""Samplers: quality against network calls.

On an eight-state Markov source whose exact denoiser is known, so that what is wrong in the samples
is the sampler's doing. Each cell: the total variation distance between the samples' pairs of
neighbours and the source's; the mean of `-log p` of a sample in nats (below the source's entropy
means too little variety); in brackets the network calls.
"""

from benchmarks.tables import markdown_table

LENGTH, STATES = 32, 8
SOURCE = "the source itself"


def add_arguments(parser) -> None:
    add = parser.add_argument
    add("--samples", type=int, default=4000, help="samples a cell (default: 4000)")
    add("--num-steps", type=int, nargs="+", default=[4, 8, 16, 64, 256], help="of the time grid")


def sampler_list() -> dict:
    """The samplers by name, each with its temperature."""
    from md4keras import samplers

    chosen = {
        "ancestral": "ancestral",
        "mean": "mean",
        "event": "event",
        "first_hitting": "first_hitting",
        "top_p 0.9": samplers.TopP(0.9),
        "top_k 4": samplers.TopK(4),
        "ancestral, temperature 0.8": "ancestral",
        "confidence, probability": samplers.Confidence(),
        "confidence, margin": samplers.Confidence(rule="margin"),
        "confidence, entropy": samplers.Confidence(rule="entropy"),
        "confidence, noise 4": samplers.Confidence(noise_temperature=4.0),
        "remasking, capped 0.05": samplers.Remasking(rule="capped", eta=0.05),
        "remasking, rescaled 0.2": samplers.Remasking(rule="rescaled", eta=0.2),
        "remasking, confidence": samplers.Remasking(rule="confidence"),
    }
    return {name: (each, 0.8 if "temperature" in name else 1.0) for name, each in chosen.items()}


def rows(options):
    """One row for each sampler and number of steps; the first two are of the source itself."""
    import numpy as np

    import md4keras
    from benchmarks import markov

    count = 50 if options.tiny else options.samples
    matrix, stationary, rate = markov.source(STATES)
    model = md4keras.MD4(markov.MarkovConditionals(matrix, stationary, LENGTH))
    entropy = -(stationary * np.log(stationary)).sum() + (LENGTH - 1) * rate
    true = stationary[:, None] * matrix

    def quality(x):
        pairs = np.zeros((STATES, STATES))
        np.add.at(pairs, (x[:, :-1].ravel(), x[:, 1:].ravel()), 1)
        return {
            "pair_distance": float(0.5 * np.abs(pairs / pairs.sum() - true).sum()),
            "nats": float(-markov.log_probability(x, matrix, stationary).mean()),
        }

    yield {"sampler": SOURCE, "entropy_nats": float(entropy)} | quality(
        markov.draw(matrix, stationary, count, LENGTH, seed=1)
    )
    for name, (sampler, temperature) in sampler_list().items():
        for steps in options.num_steps[:1] if options.tiny else options.num_steps:
            *_, last = model.sample_steps(
                count, sampler=sampler, num_steps=steps, temperature=temperature, seed=2
            )
            row = {"sampler": name, "steps": steps, "network_calls": last.calls}
            yield row | quality(last.tokens)


def markdown(rows: list[dict]) -> str:
    """A line for each sampler, a column for each number of steps."""
    first, *rest = rows
    lines = {}
    for row in rest:
        cell = f"{row['pair_distance']:.3f}, {row['nats']:.1f} ({row['network_calls']})"
        line = lines.setdefault(row["sampler"], {"sampler": row["sampler"]})
        line[f"{row['steps']} steps"] = cell
    return (
        f"Samples of {LENGTH} positions. As many of the source itself: "
        f"{first['pair_distance']:.3f}, {first['nats']:.1f}; its entropy: "
        f"{first['entropy_nats']:.1f} nats.\n\n" + markdown_table(list(lines.values()))
    )
