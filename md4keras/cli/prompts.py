"""Prompts of a command: texts that go on, or what a user says in a chat."""

import argparse

from md4keras.checks import Interval, check_number, check_whole
from md4keras.cli.model import check_kind
from md4keras.models import prompts
from md4keras.samplers import Threshold


def add_prompts(parser: argparse.ArgumentParser) -> None:
    """Adds the options that say what goes on, and how."""
    add = parser.add_argument
    add(
        "--prompt",
        action="append",
        metavar="TEXT",
        help="text to continue; may be given several times (then --num-samples, 1 by default, is "
        "of each)",
    )
    add(
        "--chat",
        action="store_true",
        help="what --prompt says is said by a user, in the tokenizer's chat template",
    )
    add(
        "--block-length",
        type=int,
        metavar="N",
        help="text: tokens that are drawn together, blocks from left to right (default: all)",
    )
    add(
        "--guidance-scale",
        type=float,
        default=1.0,
        metavar="W",
        help="above 1: closer to the label, or else to the prompt (default: 1)",
    )
    add(
        "--threshold",
        type=float,
        metavar="P",
        help="sampler that reveals all tokens whose probability exceeds P, in at most --num-steps "
        "network calls (default: 128, or --length if that is more)",
    )


def check_prompts(options: argparse.Namespace) -> None:
    """Sets what the options leave open; raises a `ValueError` for those that do not fit."""
    if options.chat and not options.prompt:
        raise ValueError(
            "A chat begins with what a user says. Expected --prompt TEXT along with --chat. "
            'Received: --chat alone. Write, for example, --chat --prompt "Hello".'
        )
    if options.block_length is not None:
        check_whole("block_length", options.block_length, mend="32 is a good number.")
    check_number("guidance_scale", options.guidance_scale, Interval(), "1 is the model itself.")
    if options.threshold is not None:
        if options.sampler != "ancestral":
            raise ValueError(
                "--threshold is a sampler. Expected it without --sampler. Received: --sampler "
                f"{options.sampler} --threshold {options.threshold}. Leave one of them out."
            )
        options.sampler = Threshold(threshold=options.threshold)
    if options.num_samples is None:
        options.num_samples = 1 if options.prompt else 10
    if options.num_steps is None:
        options.num_steps = 128 if options.threshold is None else max(128, options.length or 0)


def read_prompts(model, options: argparse.Namespace) -> prompts.Prompts | None:
    """The prompts, each as often as samples are drawn of it; `None` without any.

    Raises:
        ValueError: for a model of images, or text that its tokenizer does not know.
    """
    if not options.prompt:
        return None
    check_kind(model, "text", "--prompt", "Leave it out.")
    check_whole("num_samples", options.num_samples, mend="Ask for one or more.")
    given = [text for text in options.prompt for _ in range(options.num_samples)]
    if options.chat:
        given = [[{"role": "user", "content": text}] for text in given]
    return prompts.read(model, given)
