"""Samplers of the text preset that ships: how good and how varied texts are, against network calls.

The judge is a model that counts six characters in a row in the texts that the preset was trained on
(`evaluation.character_model`). Nothing here is good by itself: bits below those of held-out texts,
with less entropy within each sample or more repetition, are dull texts.
"""

TEXTS = 128
NAMED = (
    "ancestral",
    "ancestral, temperature 0.8",
    "event",
    "top_p 0.9",
    "confidence, probability",
    "confidence, noise 4",
    "threshold 0.9",
    "entropy_bound 0.1",
    "entropy_bound 2",
    "klass 0.9",
    "remasking, capped 0.05",
    "psi 0.9",
    "psi, forward-backward",
    "path_planning",
    "corrector, 1 of 1",
    "corrector, 1 of 4",
)


def add_arguments(parser) -> None:
    add = parser.add_argument
    add("--texts-drawn", type=int, default=TEXTS, help=f"texts a row (default: {TEXTS})")
    add("--frontier-steps", type=int, nargs="+", default=[16, 128], help="(default: 16 128)")


def rows(options):
    """Of held-out texts, then one row for each sampler and number of steps; `--named` chooses."""
    import numpy as np

    import md4keras
    from benchmarks.samplers import named
    from md4keras.evaluation.character_model import CharacterModel
    from md4keras.evaluation.frontier import frontier
    from md4keras.evaluation.text_report import TextReport

    count = 2 if options.tiny else options.texts_drawn
    steps = [2] if options.tiny else options.frontier_steps
    model = md4keras.load_model("pydoc")
    texts = md4keras.data.python_docs()
    judge = CharacterModel([texts.training], order=2 if options.tiny else 6)
    report = TextReport(model.tokenizer, judge)

    length = model.network.sequence_length
    held_out = np.asarray(model.tokenizer.encode(texts.validation), "int32")
    starts = np.linspace(0, len(held_out) - length, count).astype(int)
    real = np.stack([held_out[start : start + length] for start in starts])
    yield {"sampler": "held-out texts", "steps": None, "calls": None, **_figures(report(real))}

    chosen = named(options.named or (NAMED[:2] if options.tiny else NAMED))
    for name, (sampler, temperature) in chosen.items():
        vary = {"sampler": [sampler], "temperature": [temperature], "num_steps": steps}
        for row in frontier(model, report, count, vary):
            how = {"sampler": name, "steps": row["num_steps"], "calls": row["network_calls"]}
            yield how | _figures(row)


def _figures(found: dict) -> dict:
    import math

    return {
        "bits a character": math.log2(found["generative_perplexity"]),
        "entropy within a text": found["unigram_entropy"],
        "distinct_2": found["distinct_2"],
        "self_bleu": found["self_bleu"],
        "repeated_8grams": found["repeated_8grams"],
    }
