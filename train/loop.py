"""The loop that all recipes share: check, train with `fit`, evaluate, save, report."""

import json
import random
import shutil
import time
from pathlib import Path

import keras
import numpy as np

import md4keras

from . import callbacks, samples
from .recipe import Recipe

_STATE, _HISTORY, _SAMPLES, _LOGS = "training_state.npz", "history.json", "samples", "logs"


def main(recipe: Recipe, arguments: list[str] | None = None) -> dict:
    """Runs a recipe from the command line; mistakes of the user end it with one message."""
    options = recipe.parse(arguments)
    try:
        return run(recipe, options)
    except (ValueError, OSError) as error:
        raise SystemExit(f"error: {error}") from error
    except KeyboardInterrupt:
        saved = (options.output / _STATE).is_file()
        hint = "; continue with --resume" if saved else " before the first checkpoint"
        raise SystemExit(f"\nstopped{hint}") from None


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
    if options.overwrite:
        _remove_old_run(output)
    state = callbacks.TrainingState(output / _STATE, settings)
    done = state.restore(model) if options.resume else 0
    history = callbacks.History(output / _HISTORY, continued=options.resume)
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
            callbacks.Samples(samples.shower(recipe, data, options.output / _SAMPLES)),
            callbacks.TensorBoard(options.output / _LOGS),
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
    if output.is_file():
        raise ValueError(f"--output is a folder, but '{output}' is a file. Name another place.")
    # It writes beside the model too, where everything else of the run goes.
    md4keras.checkpoints.check_output_folder(output / "model")
    if _holds_run(output) and not (options.resume or options.overwrite):
        raise ValueError(
            f"'{output}' holds another run{_described(output)}. Name another folder with "
            "--output, or give --resume to continue that run or --overwrite to replace it."
        )


def _holds_run(output: Path) -> bool:
    return (output / "model").exists() or (output / _STATE).exists()


def _remove_old_run(output: Path) -> None:
    """Removes what another run left, but for its model, which the new one replaces at the end."""
    if not _holds_run(output):  # then nothing in the folder is a run's
        return
    for name in (_STATE, _HISTORY, _SAMPLES, _LOGS):
        path = output / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def _described(output: Path) -> str:
    try:
        recipe = json.loads((output / "model" / "recipe.json").read_text(encoding="utf-8"))
        return f" (recipe {recipe['recipe']}, {recipe['steps']} steps)"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
