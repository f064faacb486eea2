"""The loop that all recipes share: check, train with `fit`, evaluate, save, report."""

import json
import random
import time
from pathlib import Path

import keras
import numpy as np

import md4keras
from train import callbacks, samples
from train.recipe import Recipe


def main(recipe: Recipe, arguments: list[str] | None = None) -> dict:
    """Runs a recipe from the command line; mistakes of the user end it with one message."""
    options = recipe.parse(arguments)
    try:
        return run(recipe, options)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    except KeyboardInterrupt:
        raise SystemExit("\nstopped; continue with --resume") from None


def run(recipe: Recipe, options) -> dict:
    """Trains as `options` say and saves the model in `options.output / "model"`.

    Args:
        recipe: a `Recipe`.
        options: what `recipe.parse` returns.

    Returns:
        dict with `bits_per_dim` and the rest of the evaluation, `baselines`, and `seconds`.
    """
    output = options.output
    settings = {
        "recipe": recipe.name,
        "data": str(options.data) if options.data else None,
        "steps": options.steps,
        "batch_size": options.batch_size,
        "seed": options.seed,
    }
    _check_output(recipe, options)
    # What Keras draws its seeds from. (`keras.utils.set_random_seed` would import TensorFlow.)
    random.seed(options.seed)
    np.random.seed(options.seed)
    data = recipe.data(options)
    model = recipe.model(options, data)
    model.tokenizer = data.tokenizer
    model.compile(recipe.optimizer(options.steps))
    _announce(recipe, model, options)

    output.mkdir(parents=True, exist_ok=True)
    state = callbacks.TrainingState(output / "training_state.npz", settings)
    done = state.restore(model) if options.resume else 0
    history = callbacks.History(output / "history.json", continued=options.resume)
    _fit(model, recipe, options, data, done, [state, history])

    results = model.evaluate(data.validation, return_dict=True, verbose=0)
    baselines = data.baselines()
    seconds = history.rows[-1]["seconds"] if history.rows else 0.0
    model.recipe = {
        **settings,
        "backend": keras.backend.backend(),
        "class_names": data.class_names,
        "sample_steps": recipe.sample_steps,
        "validation": results,
        "baselines_bits_per_dim": baselines,
        "seconds": seconds,
        "history": history.rows,
    }
    md4keras.save_model(model, output / "model")
    report(results["bits_per_dim"], baselines)
    print(f"Saved in {output / 'model'}.")
    return {**results, "baselines": baselines, "seconds": seconds}


def report(bits_per_dim: float, baselines: dict[str, float]) -> None:
    """Prints the result beside the baselines."""
    rows = {**baselines, "this model (upper bound)": bits_per_dim}
    width = max(map(len, rows))
    print("\nBits per dimension on the validation split (lower is better)")
    for name, bits in rows.items():
        print(f"  {name:<{width}}  {bits:6.3f}")


def _fit(model, recipe, options, data, done, keep) -> None:
    remaining = options.steps - done
    if remaining <= 0:  # a run that stopped between its last step and its end
        model.optimizer.finalize_variable_values(model.trainable_variables)
        model.release_shared_buffers()
        return
    interval = min(options.interval, remaining)
    state, history = keep
    model.fit(
        data.training(done),
        steps_per_epoch=interval,
        epochs=-(-remaining // interval),
        shuffle=False,
        validation_data=data.validation,
        callbacks=[
            callbacks.StepLimit(remaining),
            state,  # before the averaged weights are swapped in
            keras.callbacks.SwapEMAWeights(swap_on_epoch=True),
            callbacks.Samples(samples.shower(recipe, data, options.output / "samples")),
            callbacks.TensorBoard(options.output / "logs"),
            history,
        ],
    )


def _announce(recipe, model, options) -> None:
    count = model.network.count_params()
    print(
        f"{recipe.name}: {count:,} parameters, {options.steps} steps of {options.batch_size}, "
        f"backend {keras.backend.backend()}, {time.strftime('%Y-%m-%d %H:%M')}",
        flush=True,
    )


def _check_output(recipe: Recipe, options) -> None:
    """Refuses, before any work, a folder that cannot or should not be written."""
    output: Path = options.output
    md4keras.checkpoints.check_output_folder(output / "model")
    if options.resume or options.overwrite or not output.exists():
        return
    if output.is_file():
        raise ValueError(f"--output is a folder, but '{output}' is a file. Name another place.")
    if (output / "model").exists() or (output / "training_state.npz").exists():
        raise ValueError(
            f"'{output}' holds another run{_described(output)}. Name another folder with "
            "--output, or give --resume to continue that run or --overwrite to replace it."
        )


def _described(output: Path) -> str:
    try:
        recipe = json.loads((output / "model" / "recipe.json").read_text(encoding="utf-8"))
        return f" (recipe {recipe['recipe']}, {recipe['steps']} steps)"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
