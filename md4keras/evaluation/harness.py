"""A model for lm-evaluation-harness (`lm_eval`), which is imported with this file alone.

`python -m md4keras.evaluation.harness` is the command `lm_eval` with the model `md4keras`.

Reference: Gao et al., *The Language Model Evaluation Harness* (doi 10.5281/zenodo.12608602).
"""

import json
import logging
import os

import numpy as np

from md4keras import checkpoints, random, samplers
from md4keras.checks import check_whole
from md4keras.evaluation import texts as text_inputs
from md4keras.evaluation.answers import answer_likelihood, answer_rows, encode_answers
from md4keras.evaluation.continuations import LIKELIEST_FIRST, continue_until, is_likeliest
from md4keras.evaluation.rolling import check_strides, rolling_steps
from md4keras.files import import_optional

_EXTRA = "asks models the tasks of lm-evaluation-harness", "md4keras[eval]"
lm_model, lm_registry, lm_requests, lm_utils, lm_command = (
    import_optional(f"lm_eval.{name}", *_EXTRA)
    for name in ("api.model", "api.registry", "models.utils", "utils", "__main__")
)
tqdm = import_optional("tqdm", *_EXTRA).tqdm

ARGUMENTS = ("model", "num_samples", "seed", "batch_size", "stride", "end_token")
"""What `--model_args` may hold."""

GENERATION = ("until", "max_gen_toks", "do_sample", "temperature", "top_p", "top_k")
GENERATION += ("num_steps", "block_length")
"""What a task's `generation_kwargs`, or `--gen_kwargs`, may hold."""

_SAME_AS_MAX = {"max_new_tokens", "max_tokens", "max_completion_tokens"}
_PART = 32  # requests between two looks at the progress
_LOGGER = logging.getLogger(__name__)


class Harness(lm_model.LM):
    """A model of text as `lm_eval` asks it: `lm_eval.simple_evaluate(Harness(model), tasks=[...])`.

    Log-likelihoods are lower bounds (the negative ELBO), estimated with the draws of `num_samples`;
    the perplexities made of them are upper bounds.

    Args:
        model: a `MD4` or `GenMD4` of text with a tokenizer, or the folder of a saved one.
        num_samples: int, draws of masks for each row that is scored, as of `model.score`.
        seed: int in `[0, 2**32)`; with the same requests in the same order the results are the
            same. What continuation `i` costs depends on it and `(seed, i)` alone.
        batch_size: int, rows in one network call.
        stride: int, the new tokens of a rolling window (`rolling_rows`); `None` for half of it. A
            window has the training length.
        end_token: bool, whether a continuation is scored with the tokenizer's end token behind it.
            `lm_eval` asks how a text goes on, so it is not; a model that was trained on
            pairs (`data.PairRows`) has seen no answer without its end.

    Raises:
        ValueError: for a bad argument, a model of images or with classes, or one without a
            tokenizer.
    """

    def __init__(
        self,
        model,
        num_samples: int = 128,
        seed: int = 0,
        batch_size: int = 64,
        stride: int | None = None,
        end_token: bool = False,
    ):
        super().__init__()
        model = checkpoints.load_model(model) if isinstance(model, (str, os.PathLike)) else model
        self.window, self.stride = check_strides(text_inputs.training_length(model), stride)
        text_inputs.tokenizer_of(model)
        check_whole("num_samples", num_samples, 2, mend="A standard error needs two draws.")
        check_whole("batch_size", batch_size)
        random.check_seed(seed)
        self.model, self.end_token = model, end_token
        self.num_samples, self.seed, self.batch_size = num_samples, seed, batch_size

    @classmethod
    def create_from_arg_string(cls, arg_string: str, additional_config: dict | None = None):
        """The model of `--model_args model=FOLDER,num_samples=64`; see `create_from_arg_obj`."""
        arguments = lm_utils.simple_parse_args_string(arg_string)
        return cls.create_from_arg_obj(arguments, additional_config)

    @classmethod
    def create_from_arg_obj(cls, arg_dict: dict, additional_config: dict | None = None):
        """The model of these arguments.

        Args:
            arg_dict: the arguments of this class.
            additional_config: what `lm_eval` adds. Its `batch_size` counts if it is above 1 (which
                it is unless somebody sets it) and `arg_dict` has none. Its device does not: the
                backend chooses.

        Raises:
            ValueError: for unknown arguments, or no model.
        """
        if "model" not in arg_dict or set(arg_dict) - set(ARGUMENTS):
            raise ValueError(
                f"These are not the arguments of a model. Expected 'model' and others of "
                f"{list(ARGUMENTS)}. Received: {sorted(arg_dict)}. Write "
                "`--model_args model=FOLDER,num_samples=64`."
            )
        batch_size = str((additional_config or {}).get("batch_size"))
        added = {"batch_size": int(batch_size)} if batch_size.isdigit() else {}
        added = {} if added.get("batch_size") == 1 else added
        return cls(**{**added, **arg_dict})

    def get_model_info(self) -> dict:
        """What `lm_eval` writes beside its results."""
        names = ("num_samples", "seed", "window", "stride", "end_token")
        return {f"md4keras_{name}": getattr(self, name) for name in names}

    def loglikelihood(self, requests, disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """For each (context, continuation): a lower bound on its log-probability, and greediness.

        Context and continuation are encoded each by itself. Spaces at the end of a context belong
        to the continuation, where the tokenizer joins them to words.

        Returns:
            A list of pairs: nats, and whether filling a gap of the continuation's length, likeliest
            tokens first, gives exactly the continuation (`continuations.is_likeliest`).
        """
        if not requests:
            return []
        pairs = [self._pair(*_texts_of(request, 2)) for request in requests]
        encoded = encode_answers(self.model, pairs, self.end_token)
        rows, how = answer_rows(encoded, self.window), (self.seed, self.batch_size)
        greedy, results, cut = is_likeliest(self.model, rows, *how), [], 0
        for begin in tqdm(range(0, len(pairs), _PART), "Likelihoods", disable=disable_tqdm):
            part, draws = encoded[begin : begin + _PART], (self.num_samples, *how)
            found = answer_likelihood(self.model, part, self.end_token, *draws, begin)
            cut += np.count_nonzero(found.cut)
            for nats in found.nats:
                number = len(results)
                results.append((-float(nats), bool(greedy[number])))
                args = requests[number].args
                self.cache_hook.add_partial("loglikelihood", args, results[number])
        _tell_cut(cut, len(pairs))
        return results

    def loglikelihood_rolling(self, requests, disable_tqdm: bool = False) -> list[float]:
        """For each text: a lower bound on its log-probability, nats, in windows of `rolling_rows`.

        A text without tokens has 0.
        """
        texts = [_texts_of(request, 1)[0] for request in requests]
        results, some = [0.0] * len(texts), [number for number, text in enumerate(texts) if text]
        if not some:
            return results
        asked, how = [texts[number] for number in some], (self.num_samples, self.seed)
        steps = rolling_steps(self.model, asked, self.stride, None, *how, self.batch_size)
        with tqdm(total=len(some), desc="Texts", disable=disable_tqdm) as progress:
            numbers = iter(some)
            for part in steps:
                for nats, number in zip(part.nats, numbers, strict=False):
                    results[number] = -float(nats)
                    args = requests[number].args
                    self.cache_hook.add_partial("loglikelihood_rolling", args, results[number])
                progress.update(len(part.nats))
        return results

    def generate_until(self, requests, disable_tqdm: bool = False) -> list[str]:
        """For each (context, settings): how the text goes on, as `model.generate_blocks` draws it.

        Without sampling, likeliest tokens first (`continuations.LIKELIEST_FIRST`); with it, by the
        `"ancestral"` sampler. The names of settings are in `GENERATION`.

        Raises:
            ValueError: for unknown settings, or ones that cannot be used.
        """
        alike, texts = {}, [""] * len(requests)
        contexts = [_texts_of(request, 1)[0] for request in requests]
        for number, request in enumerate(requests):
            _, settings = request.args
            key = json.dumps(settings, sort_keys=True, default=repr)
            alike.setdefault(key, (settings, []))[1].append(number)
        parts = [
            (settings, numbers[begin : begin + self.batch_size])
            for settings, numbers in alike.values()
            for begin in range(0, len(numbers), self.batch_size)
        ]
        read = [_read_settings(settings, self.window) for settings, _ in parts]
        cut = 0
        for place, (_, numbers) in enumerate(tqdm(parts, "Texts", disable=disable_tqdm)):
            until, length, settings = read[place]
            seed = np.random.SeedSequence((self.seed, place)).generate_state(1)[0]
            asked = [contexts[number] for number in numbers]
            prompts = text_inputs.encode(self.model, asked, "context", 0)
            room = self.window - min(length, settings["block_length"])
            cut += sum(len(prompt) > room for prompt in prompts)
            settings = {**settings, "seed": int(seed)}
            drawn = continue_until(self.model, prompts, until, length, settings)
            for number, text in zip(numbers, drawn, strict=True):
                texts[number] = text
                self.cache_hook.add_partial("generate_until", requests[number].args, text)
        _tell_cut(cut, len(requests))
        return texts

    def _pair(self, context: str, continuation: str) -> tuple[str, str]:
        if not getattr(self.model.tokenizer, "joins_spaces", False):
            return context, continuation
        kept = context.rstrip(" ")
        return kept, context[len(kept) :] + continuation


def _texts_of(request, count: int) -> tuple[str, ...]:
    """The first `count` arguments of a request, which are texts."""
    texts = request.args[:count]
    if len(texts) < count or not all(isinstance(text, str) for text in texts):
        raise ValueError(
            f"This request has no text. Expected {count} or more. Received: args={request.args!r}. "
            "Look at the task's `doc_to_text`, `doc_to_choice` and `doc_to_target`."
        )
    return texts


def _read_settings(settings: dict, window: int) -> tuple[list[str], int, dict]:
    """What a task wants to be generated: where to stop, the most tokens, and how."""
    mend = "Change the task's `generation_kwargs`, or `--gen_kwargs`."
    named = isinstance(settings, dict)
    unknown = (
        sorted(map(str, set(settings) - set(GENERATION) - _SAME_AS_MAX)) if named else settings
    )
    if not named or unknown:
        raise ValueError(
            f"Unknown settings of a generation. Expected some of {list(GENERATION)}. Received: "
            f"{unknown}. {mend}"
        )
    try:
        found = lm_requests.normalize_gen_kwargs(settings)
        until = [string for string in found["until"] if string]
        "".join(until)  # a `TypeError` where some are no strings
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"Settings of a generation cannot be read ({error}). Expected strings in `until`, and "
            f"else numbers. Received: {settings}. {mend}"
        ) from error
    length = check_whole("max_gen_toks", found["max_gen_toks"])
    half = max(1, window // 2)
    block_length = min(check_whole("block_length", found.get("block_length", half)), length)
    filters = {"top_k": samplers.TopK, "top_p": samplers.TopP}
    filters = tuple(cls(found[name]) for name, cls in filters.items() if found.get(name))
    sampled = found["do_sample"]
    how = {
        "block_length": block_length,
        "num_steps": found.get("num_steps", block_length),
        "sampler": samplers.Ancestral(filters=filters) if sampled else LIKELIEST_FIRST,
        "temperature": found.get("temperature", 1.0) if sampled else 1.0,
    }
    return until, length, how


def _tell_cut(count: int, total: int) -> None:
    if count:
        _LOGGER.warning("%d of %d contexts are longer than the model: begun later.", count, total)


def main() -> None:
    """The command `lm_eval` with the model `md4keras`."""
    lm_command.cli_evaluate()


# By name: as a program, this file is imported once more, by this name.
lm_registry.model_registry.register("md4keras", target="md4keras.evaluation.harness:Harness")

if __name__ == "__main__":
    main()
