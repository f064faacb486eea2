"""Samplers: quality against network calls.

On a source of eight tokens whose exact denoiser is known, a Markov chain or a hidden one, so that
what is wrong in the samples is the sampler's doing. Each cell: the total variation distance between
the samples' pairs of neighbours and the source's; the mean of `-log p` of a sample in nats (below
the source's entropy means too little variety); in brackets the network calls.
(`md4keras.evaluation.oracle.compare` does the same with samplers of your own.)
"""

LENGTH, STATES = 32, 8


def add_arguments(parser) -> None:
    add = parser.add_argument
    add("--samples", type=int, default=4000, help="samples a cell (default: 4000)")
    add("--num-steps", type=int, nargs="+", default=[4, 8, 16, 64, 256], help="of the time grid")
    add("--source", choices=("markov", "hidden"), default="markov", help="(default: markov)")
    add(
        "--named",
        nargs="+",
        metavar="NAME",
        help="only these samplers, such as 'entropy_bound 0.1'",
    )


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
        "threshold 0.7": samplers.Threshold(threshold=0.7),
        "threshold 0.9": samplers.Threshold(threshold=0.9),
        "entropy_bound 0.01": samplers.EntropyBound(gamma=0.01),
        "entropy_bound 0.1": samplers.EntropyBound(gamma=0.1),
        "entropy_bound 0.5": samplers.EntropyBound(gamma=0.5),
        "entropy_bound 2": samplers.EntropyBound(gamma=2.0),
        "klass 0.7": samplers.Klass(threshold=0.7),
        "klass 0.9": samplers.Klass(threshold=0.9),
        "remasking, capped 0.05": samplers.Remasking(rule="capped", eta=0.05),
        "remasking, rescaled 0.2": samplers.Remasking(rule="rescaled", eta=0.2),
        "remasking, confidence": samplers.Remasking(rule="confidence"),
        "psi 0.9": samplers.Psi(kappa=0.9),
        "psi, forward-backward": samplers.Psi(kappa="forward_backward"),
        "path_planning": samplers.PathPlanning(),
        "corrector, 1 of 1": samplers.Corrector(),
        "corrector, 1 of 4": samplers.Corrector(num_candidates=4),
    }
    return {name: (each, 0.8 if "temperature" in name else 1.0) for name, each in chosen.items()}


def rows(options):
    """One row for each sampler and number of steps; the first is of the source itself."""
    from md4keras.evaluation import oracle

    count = 50 if options.tiny else options.samples
    steps = options.num_steps[:1] if options.tiny else options.num_steps
    if options.source == "hidden":
        source = oracle.HiddenMarkov.random(values=STATES, length=LENGTH)
    else:
        source = oracle.Markov.random(STATES, LENGTH)
    yield from oracle.rows(named(options.named), steps, source, count)


def named(names) -> dict:
    """The samplers of these names; all of them for `None`."""
    known = sampler_list()
    if unknown := [name for name in names or () if name not in known]:
        raise ValueError(
            f"There are no such samplers to measure. Expected some of {list(known)}. Received: "
            f"{unknown}. Choose among the known names."
        )
    return {name: known[name] for name in names or known}


def markdown(rows: list[dict]) -> str:
    """A line for each sampler, a column for each number of steps."""
    from md4keras.evaluation import oracle

    return f"Samples of {LENGTH} positions. " + oracle.markdown(rows)
