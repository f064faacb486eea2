"""MD4 and GenMD4 on pydoc with the same number of network calls.

GenMD4 evaluates the network on two maskings of each example, so at the same cost it sees half as
many: in half as many steps, or in batches half as large; both are trained. Each training run has a
seed of its own, which the three kinds share. The bound on the validation split in bits a character,
with a 95 % interval over the runs (t distribution), the difference from MD4 run by run, and the
learned exponents.
"""

import dataclasses
import sys
import time

from benchmarks.tables import markdown_table

LENGTH = 64


@dataclasses.dataclass(frozen=True)
class Kind:
    """One row of the table: `steps` of `batch_size` examples of the `md4keras` model."""

    name: str
    model: str
    steps: int
    batch_size: int


def add_arguments(parser) -> None:
    add = parser.add_argument
    add("--evaluations", type=int, default=4000, help="of the network, a run (default: 4000)")
    add("--batch-size", type=int, default=16, help="rows in each (default: 16)")
    add("--draws", type=int, default=8, help="of masks, a window, in the bound (default: 8)")


def kinds(evaluations: int, batch_size: int) -> list[Kind]:
    """Three ways to spend the same number of network calls (of `batch_size` rows each)."""
    half = batch_size // 2
    return [
        Kind("MD4", "MD4", evaluations, batch_size),
        Kind("GenMD4, half the steps", "GenMD4", evaluations // 2, batch_size),
        Kind("GenMD4, half the batch", "GenMD4", evaluations, half),
    ]


def rows(options):
    """One row for each kind, with the result of each of its runs."""
    import numpy as np

    from md4keras import data, tokenizers

    tokenizer = tokenizers.CharacterTokenizer()
    training, validation = map(tokenizer.encode, data.pydoc()[:2])
    windows = data.text_windows(validation, LENGTH)
    evaluations, draws = (4, 2) if options.tiny else (options.evaluations, options.draws)
    for kind in kinds(evaluations, options.batch_size):
        bits, powers = [], []
        for seed in range(options.runs):
            start = time.perf_counter()
            model = trained(kind, training, tokenizer, seed)
            nats, _ = model.score(windows[:4] if options.tiny else windows, num_samples=draws)
            bits.append(float(nats.mean() / (LENGTH * np.log(2))))
            if kind.model == "GenMD4":
                powers.append(model.power_by_token())
            print(
                f"{kind.name}, seed {seed}: {bits[-1]:.4f} bits, "
                f"{time.perf_counter() - start:.0f} s",
                file=sys.stderr,
                flush=True,
            )
        yield {
            "model": kind.name,
            "steps": kind.steps,
            "batch": kind.batch_size,
            "bits_per_character": bits,
            "exponents": powers,
        }


def trained(kind: Kind, training, tokenizer, seed: int):
    """A model of this kind, trained on the characters; averaged weights."""
    import keras

    import md4keras
    from md4keras.data import text
    from train.optimizers import muon

    keras.utils.set_random_seed(seed)
    network = md4keras.networks.Transformer(
        tokenizer.vocabulary_size,
        LENGTH,
        num_layers=2,
        num_heads=4,
        feature_dim=16,
        time_features="none",
    )
    model = getattr(md4keras, kind.model)(network, seed=seed)
    model.tokenizer = tokenizer
    optimizer = muon(kind.steps, learning_rate=5e-3, warmup_steps=100)
    if kind.model == "GenMD4":  # decay would pull the exponents towards ln 2
        optimizer.exclude_from_weight_decay(var_list=[model.schedule.theta])
    model.compile(optimizer)
    data = text.text_dataset(training, LENGTH, kind.batch_size, True, seed=seed)
    model.fit(data, steps_per_epoch=kind.steps, shuffle=False, verbose=0)
    return model


def markdown(rows: list[dict]) -> str:
    """The bounds, and under them the exponents."""
    import numpy as np

    base = np.array(rows[0]["bits_per_character"])  # MD4's
    lines, paragraphs = [], []
    for row in rows:
        here = np.array(row["bits_per_character"])
        lines.append(
            {
                "model": row["model"],
                "steps x batch": f"{row['steps']} x {row['batch']}",
                "bits per character": interval(here),
                "difference from MD4": "" if row is rows[0] else interval(here - base, sign="+"),
            }
        )
        if row["exponents"]:
            paragraphs.append(
                f"Learned exponents, {row['model']}: mean over the runs ± their standard "
                f"deviation. {exponents(row['exponents'])}."
            )
    return "\n\n".join([markdown_table(lines), *paragraphs])


def interval(values, sign: str = "") -> str:
    """Mean and 95 % interval over independent runs."""
    import numpy as np
    from scipy import stats

    half_width = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():{sign}.3f} ± {half_width:.3f}"


def exponents(runs: list[dict]) -> str:
    """From the first masked to the last, by the mean over the runs."""
    import numpy as np

    values = {token: [run[token] for run in runs] for token in runs[0]}
    ordered = sorted(values, key=lambda token: np.mean(values[token]))
    return ", ".join(
        f"{'space' if token == ' ' else token} {np.mean(values[token]):.2f} ± "
        f"{np.std(values[token], ddof=1):.2f}"
        for token in ordered
    )
