"""The loop that all recipes share: check, train with `fit`, evaluate, save, report."""

import contextlib
import json
import random
import sys
import time
from collections.abc import Callable

import keras
import numpy as np

import md4keras
from md4keras.callbacks import Stop

from . import adapters, averages, build, devices, initial, inputs, plan, samples
from .folder import RunFolder
from .history import History, finite
from .milestones import Milestones
from .recipe import Recipe
from .state import RunState, read_header


def main(recipe: Recipe, arguments: list[str] | None = None, prog: str | None = None) -> dict:
    """Runs a recipe from the command line; mistakes of the user end it with one message."""
    with ending_in_words():
        options = recipe.parse(arguments, prog)
        return told(lambda: run(recipe, options), options.json)


def told(work: Callable[[], dict], as_json: bool) -> dict:
    """What `work` returns; `as_json` prints that alone, and what it prints itself to stderr."""
    if not as_json:
        return work()
    with contextlib.redirect_stdout(sys.stderr):
        results = work()
    if md4keras.distribution.is_first_process():
        print(json.dumps(finite(results), allow_nan=False))
    return results


@contextlib.contextmanager
def ending_in_words():
    """Turns errors that the user can mend into a message and exit status 2, Ctrl-C into 130."""
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        raise SystemExit(130) from None


def run(recipe: Recipe, options) -> dict:
    """Trains as `options` say and saves the model in `options.output / "model"`.

    Args:
        recipe: a `Recipe`.
        options: what `recipe.parse` returns.

    Returns:
        dict with `bits_per_dim` and the rest of the evaluation, `baselines`, `seconds`, `steps`
        and `model`, the path of the saved model.
    """
    with devices.laid_out(options) as folder:
        return _run(recipe, options, RunFolder(folder, options.output))


def _run(recipe: Recipe, options, folder: RunFolder) -> dict:
    """As `run`, on the devices of the present layout."""
    with Stop(at_once=True) as stop:
        try:
            made, data, model, state = _prepare(recipe, options, folder)
            stop.at_once = False
            results, baselines, rows = _train_and_measure(made, data, model, state, folder, stop)
        except KeyboardInterrupt:
            _say_stopped(folder, stop)
            raise SystemExit(stop.status) from None
        seconds = round(state.seconds, 1)
        reached = {"validation": results, "baselines_bits_per_dim": baselines, "seconds": seconds}
        told = _recipe_of(recipe, made, data, model) | reached | {"history": rows}
        model.recipe = finite(told)
        md4keras.save_model(model, folder.model)
        report(results["bits_per_dim"], baselines)
        _tell_weights(model.optimizer)
        print(f"Saved in {folder.model}.", flush=True)
        if stop.signal is not None:  # while it was saved
            raise SystemExit(stop.status)
    numbers = {"baselines": baselines, "seconds": seconds, "steps": made.settings["steps"]}
    return {**results, **numbers, "model": str(folder.model)}


def report(bits_per_dim: float, baselines: dict[str, float]) -> None:
    """Prints the result beside the baselines."""
    rows = {**baselines, "this model (upper bound)": bits_per_dim}
    width = max(map(len, rows))
    print("\nBits per dimension on the validation split (lower is better)")
    for name, bits in rows.items():
        print(f"  {name:<{width}}  {bits:6.3f}")


def _prepare(recipe, options, folder: RunFolder):
    """The plan, the data, the compiled model and its training state: all before the first step."""
    goes_on = bool(options.resume or options.extend)
    folder.check(may_hold_run=goes_on or options.overwrite)
    made = plan.continued(recipe, options, folder) if goes_on else plan.new(recipe, options)
    settings = made.settings
    build.check(settings)
    # What Keras draws its seeds from. (`keras.utils.set_random_seed` would import TensorFlow.)
    random.seed(settings["seed"])
    np.random.seed(settings["seed"])
    data = inputs.read(recipe, made)
    made.check_read(data.facts)
    print("\n".join(inputs.lines(data)), flush=True)
    classes = len(data.class_names) if data.class_names else None
    model = build.model(settings, data.vocabulary_size, classes)
    model.tokenizer = data.tokenizer
    if made.init_from and not goes_on:
        initial.take_weights(model, made.init_from, data.class_names)
    adapters.add(model, settings)
    optimizer = build.optimizer(settings, made.extensions)
    steps = {name: settings[name] for name in ("micro_batches", "max_skipped_steps")}
    model.compile(optimizer, **steps)

    folder.path.mkdir(parents=True, exist_ok=True)
    if options.overwrite and md4keras.distribution.is_first_process():
        folder.clear()
    state = RunState(folder, made.header(recipe, data.tokenizer, data.facts), settings)
    if goes_on:
        state.restore(model)
    _announce(recipe, model, made, state.batches)
    return made, data, model, state


def _train_and_measure(made: plan.Plan, data, model, state, folder: RunFolder, stop: Stop):
    """Trains; returns the evaluation, the baselines, and the rows of the history."""
    history = History(folder, state.rows)
    try:
        show = samples.shower(made.settings, folder.samples, stop)
        results = _train(model, Milestones(made.settings, data, state, history, show, stop))
        state.wait()
        baselines = data.baselines()
        stop.check()
        return results, baselines, state.rows
    finally:
        history.close()


def _recipe_of(recipe: Recipe, made: plan.Plan, data, model) -> dict:
    """How the model was trained, as its folder tells it."""
    settings = made.settings
    return {
        "recipe": recipe.name,
        "source": data.facts["source"],
        "licence": getattr(md4keras.data.SOURCES.get(data.facts["source"]), "licence", None),
        "data": None if made.data is None else str(made.data),
        **{name: settings[name] for name in ("steps", "batch_size", "seed")},
        "settings": settings,
        "read": data.facts,
        "init_from": None if made.init_from is None else str(made.init_from),
        "extensions": made.extensions,
        "backend": keras.backend.backend(),
        "class_names": data.class_names,
        "sample_steps": settings["sampling.num_steps"],
        "weights": "averaged" if averages.are_used(model.optimizer) else "last step",
    }


def _train(model, milestones: Milestones) -> dict:
    """The steps that are left, and the evaluation after the last."""
    state = milestones.state
    if not milestones.unfinished:
        state.forget_metrics()
    elif milestones.at_end:  # an interrupt came between the last step and its row
        state.restore_metrics(model)
        logs = {name: float(value) for name, value in model.get_metrics_result().items()}
        milestones.close(model, logs)
    left = milestones.steps - state.batches
    if left > 0:
        model.fit(
            milestones.data.training(state.batches),
            steps_per_epoch=milestones.interval,
            epochs=-(-left // milestones.interval) + 1,  # the first and last may be short
            shuffle=False,
            verbose=0,  # `Progress` tells it
            callbacks=[milestones],
        )
    else:  # a run that stopped between its last step and its end
        averages.finish(model)
    return milestones.evaluate(model)


def _announce(recipe, model, made: plan.Plan, done: int) -> None:
    settings = made.settings
    count = model.network.count_params()
    print(
        f"{recipe.name}: {settings['model']} of a {settings['network']} with {count:,} parameters, "
        f"{settings['steps']:,} steps of {settings['batch_size']}, {settings['precision']}, "
        f"backend {keras.backend.backend()}, {time.strftime('%Y-%m-%d %H:%M')}"
    )
    if layout := keras.distribution.distribution():
        count, parts = layout.device_mesh.devices.size, layout.num_model_replicas
        print(f"On {count} devices, each batch in {parts} parts, {layout.num_processes} processes")
    if made.extensions and made.extensions[-1]["from"] <= done:
        last = made.extensions[-1]
        then = "decays to zero" if last["rate"] == "decay" else "is held"
        print(
            f"Extended by {last['steps']:,} steps from step {last['from']:,}: the learning rate "
            f"warms up again to {settings['optimizer.learning_rate']:g} and {then}"
        )
    if made.init_from:
        print(f"Weights at the start: of the saved model {made.init_from}")
    if settings.get("lora.rank"):
        print(adapters.line(model))
    if done:
        print(f"Continuing after step {done:,}")
    sys.stdout.flush()


def _tell_weights(optimizer) -> None:
    if not averages.are_used(optimizer):
        share = averages.start_share(optimizer)
        print(
            f"These are the weights of the last step: the averaged ones still hold {share:.0%} of "
            "the start, as the run was short (optimizer.ema_momentum="
            f"{optimizer.ema_momentum:g})."
        )


def _say_stopped(folder: RunFolder, stop: Stop) -> None:
    if not stop.at_once and folder.has_state:
        done = read_header(folder)[1]
        message = f"stopped after step {done:,}; continue with --resume"
    else:
        message = "stopped before the first step; nothing was saved"
    print(message, file=sys.stderr, flush=True)
