"""Signatures of an exported model: what each request holds, and the graph that answers it."""

import numpy as np
import tensorflow as tf

from md4keras.export import checks, reverse
from md4keras.export.inputs import Inputs
from md4keras.export.interface import Argument, Signature
from md4keras.export.limits import Limits
from md4keras.export.text import graph_tokenizer
from md4keras.samplers import TIME_GRIDS

_TOKENS = "int32 tokens"


class Signatures:
    """The signatures that a model can have.

    Args:
        model: a `md4keras` model, on TensorFlow.
        sampler: a `Sampler` of steps.
        limits: a `Limits`.
    """

    def __init__(self, model, sampler, limits: Limits):
        self.model, self.network, self.sampler, self.limits = model, model.network, sampler, limits
        self.inputs = Inputs(self.network, limits)
        # Traced once for the signatures of tokens and of strings.
        self._samples = tf.function(self._answer_generate, autograph=False)
        self._completions = tf.function(self._answer_infill, autograph=False)
        self._scores = tf.function(self._answer_score, autograph=False)
        most = self.inputs.max_length
        self.text = graph_tokenizer(model.tokenizer, most, limits.num_samples)

    def all(self) -> dict[str, Signature]:
        """Every signature of the model, by name."""
        found = [self.serving_default, self.denoise_step, self.generate, self.infill, self.score]
        if self.text is not None:
            found += [self.generate_text, self.infill_text, self.score_text]
        return {each.__name__: each() for each in found}

    def serving_default(self) -> Signature:
        arguments = [self.inputs.tokens("a state", masks=True)]
        if self.network.time_conditioned:
            meaning = "time in [0, 1] of each row"
            arguments.append(Argument("time", "float32", (None,), meaning, example=[0.5]))
        return Signature(
            "Logits of the denoising distribution, `model.predict_logits`.",
            (*arguments, *self.inputs.labels("each row")),
            {"logits": f"float32 [rows, {self.inputs.shape_text}, {self.network.vocabulary_size}]"},
            self._answer_logits,
        )

    def denoise_step(self) -> Signature:
        arguments = [
            self.inputs.tokens("a state", masks=True),
            *self.inputs.labels("each row"),
            Argument("t", "float32", (), "present time; 0 fills all masks", example=1.0),
            Argument("s", "float32", (), "time to reach, below t (or 0)", example=0.5),
            Argument("step", "int32", (), "number of the step, from 0: new noise for each", 0),
            Argument("start_time", "float32", (), "time of the first state", 1.0),
        ]
        outputs = {"tokens": f"{_TOKENS} [rows, {self.inputs.shape_text}]"}
        if self.sampler.remembers:
            meaning = "of the step before; at first 0, infinity where a token was given"
            shape = (None, *self.inputs.data_shape)
            example = np.zeros(self.inputs.example_shape)
            arguments.insert(1, Argument("memory", "float32", shape, meaning, example=example))
            outputs["memory"] = "float32, for the next step"
        return Signature(
            "One step of the reverse process, from time t to time s.",
            (*arguments, *self.inputs.how_to_draw()),
            outputs,
            self._answer_step,
        )

    def generate(self) -> Signature:
        return Signature(
            "Samples, `model.generate`.",
            self.inputs.generation(),
            {"tokens": f"{_TOKENS} [num_samples, {self.inputs.shape_text}]", **_CALLS},
            self._samples,
        )

    def generate_text(self) -> Signature:
        outputs = {"text": "string [num_samples]", **_CALLS}
        answer = self._as_text(self._samples)
        return Signature("Samples as text.", self.inputs.generation(), outputs, answer)

    def infill(self) -> Signature:
        mask = np.ones(self.inputs.example_shape, bool)
        shape = (None, *self.inputs.data_shape)
        return Signature(
            "Masked tokens drawn given the others, `model.infill`.",
            (
                self.inputs.tokens("what stands under the mask is not read"),
                Argument("mask", "bool", shape, "true where to draw", example=mask),
                *self.inputs.infilling(),
            ),
            {"tokens": f"{_TOKENS} [rows, {self.inputs.shape_text}]", **_CALLS},
            self._completions,
        )

    def infill_text(self) -> Signature:
        least = self.text.fewest_underscores
        gap = "an underscore is a gap of one token"
        if least > 1:
            gap = f"{least} or more underscores in a row are a gap, each of one token"
        text = Argument("text", "string", (None,), gap, example=["_" * least])
        return Signature(
            "Texts with their gaps filled.",
            (text, *self.inputs.infilling()),
            {"text": "string [rows]", **_CALLS},
            self._as_text(lambda request: self._completions(self._parsed_gaps(request))),
        )

    def score(self) -> Signature:
        return Signature(
            "A bound on the negative log-likelihood, `model.score`.",
            (self.inputs.tokens("clean"), *self.inputs.scoring()),
            _SCORES,
            self._scores,
        )

    def score_text(self) -> Signature:
        example = [self.model.tokenizer.decode([0])]
        text = Argument("text", "string", (None,), "rows of one length", example=example)
        return Signature(
            "A bound on the negative log-likelihood of texts.",
            (text, *self.inputs.scoring()),
            _SCORES,
            lambda request: self._scores(self._encoded(request)),
        )

    # What answers: a request that was not checked yet, to outputs

    def _answer_logits(self, request):
        checked = self._check_rows(request, self.network.vocabulary_size)
        if "time" in request:
            checked += [
                checks.in_range("time", request["time"], 0.0, 1.0),
                checks.count_is("time", request["time"], tf.shape(request["tokens"])[0]),
            ]
        request = checks.after(checked, request)
        time = request.get("time", 0.0)
        return {"logits": self.model.network_logits(request["tokens"], time, request.get("labels"))}

    def _answer_step(self, request):
        checked = self._check_rows(request, self.network.vocabulary_size)
        checked += self._check_drawing(request)
        checked += [
            checks.in_range("t", request["t"], 0.0, 1.0),
            checks.in_range("s", request["s"], 0.0, 1.0),
            checks.not_above("s", request["s"], "t", request["t"]),
            checks.in_range("step", request["step"], 0, self.limits.num_steps),
            checks.in_range("start_time", request["start_time"], 0.0, 1.0, above=True),
            checks.not_above("t", request["t"], "start_time", request["start_time"]),
        ]
        memory = {}
        if self.sampler.remembers:
            memory = {"memory": request["memory"]}
            checked += [
                checks.same_shape("tokens", request["tokens"], "memory", memory["memory"]),
                checks.in_range("memory", memory["memory"], 0.0, float("inf")),
            ]
        request = checks.after(checked, request)
        process = reverse.RequestedProcess(self.model, self.sampler, request["top_p"])
        tokens, memory["memory"] = process.run_step(
            request["tokens"],
            request.get("memory", tf.zeros(tf.shape(request["tokens"]))),
            request.get("labels"),
            request,
        )
        return {"tokens": tokens} | (memory if self.sampler.remembers else {})

    def _answer_generate(self, request):
        count = request["num_samples"]
        checked = [checks.in_range("num_samples", count, 1, self.limits.num_samples)]
        checked += self._check_steps(request) + self._check_labels(request, count)
        if self.inputs.is_text:
            checked.append(checks.in_range("length", request["length"], 1, self.inputs.max_length))
        request = checks.after(checked, request)
        shape = (request["length"],) if self.inputs.is_text else self.network.data_shape
        z = tf.fill((request["num_samples"], *shape), self.model.mask_token)
        start_time = tf.ones((request["num_samples"],))
        return self._reversed(z, start_time, request)

    def _answer_infill(self, request):
        tokens, mask = request["tokens"], request["mask"]
        shapes = checks.after([checks.same_shape("tokens", tokens, "mask", mask)], {"mask": mask})
        given = tf.where(shapes["mask"], 0, tokens)
        checked = self._check_rows({**request, "tokens": given}, self.network.vocabulary_size - 1)
        checked += self._check_steps(request)
        checked += [
            checks.something_to_fill("mask", shapes["mask"]),
            checks.in_range("start_time", request["start_time"], 0.0, 1.0),
        ]
        request = checks.after(checked, {**request, "tokens": given})
        z = tf.where(request["mask"], self.model.mask_token, request["tokens"])
        flat = tf.reshape(tf.cast(request["mask"], "float32"), (tf.shape(z)[0], -1))
        fitting = self.model.schedule.time_of_masked_fraction(tf.reduce_mean(flat, axis=1))
        chosen = request["start_time"]
        return self._reversed(z, tf.where(chosen > 0.0, chosen, fitting), request)

    def _reversed(self, z, start_time, request):
        process = reverse.RequestedProcess(self.model, self.sampler, request["top_p"])
        state = process.run(z, request.get("labels"), start_time, request)
        return {"tokens": state.z, "network_calls": state.calls}

    def _answer_score(self, request):
        checked = self._check_rows(request, self.network.vocabulary_size - 1)
        checked += [
            checks.in_range("seed", request["seed"], 0, 2**32 - 1),
            checks.in_range("num_samples", request["num_samples"], 2, self.limits.num_draws),
        ]
        request = checks.after(checked, request)
        nelbo, error = reverse.score(
            self.model,
            request["tokens"],
            request.get("labels"),
            request["seed"],
            request["num_samples"],
        )
        return {"nelbo": nelbo, "standard_error": error}

    def _encoded(self, request, gaps=False):
        """The request with tokens in place of its text."""
        rest = {name: value for name, value in request.items() if name != "text"}
        return rest | {"tokens": self.text.encode(request["text"], gaps)}

    def _parsed_gaps(self, request):
        request = self._encoded(request, gaps=True)
        return request | {"mask": tf.equal(request["tokens"], self.model.mask_token)}

    def _as_text(self, answer):
        def answer_with_text(request):
            answered = answer(request)
            return {"text": self.text.decode(answered.pop("tokens")), **answered}

        return answer_with_text

    # What several of them check

    def _check_rows(self, request, highest):
        tokens, sizes = request["tokens"], tf.shape(request["tokens"])
        checked = [
            checks.count_in("tokens", "rows", sizes[0], self.limits.num_samples),
            checks.in_vocabulary("tokens", tokens, highest),
            *self._check_labels(request, sizes[0]),
        ]
        if self.inputs.is_text:
            most = self.inputs.max_length
            checked.append(checks.count_in("tokens", "tokens a row", sizes[1], most))
        return checked

    def _check_labels(self, request, count):
        if "labels" not in request:
            return []
        labels = request["labels"]
        return [
            checks.count_is("labels", labels, count),
            checks.in_range("labels", labels, 0, self.inputs.highest_label),
        ]

    def _check_steps(self, request):
        return self._check_drawing(request) + [
            checks.in_range("num_steps", request["num_steps"], 1, self.limits.num_steps),
            checks.one_of("time_grid", request["time_grid"], TIME_GRIDS),
        ]

    def _check_drawing(self, request):
        checked = [
            checks.in_range("seed", request["seed"], 0, 2**32 - 1),
            checks.in_range("temperature", request["temperature"], 1e-4, 1e30),
            checks.in_range("top_p", request["top_p"], 0.0, 1.0, above=True),
        ]
        if "guidance" in request:
            checked.append(checks.in_range("guidance", request["guidance"], 0.0, 1e30))
        return checked


_CALLS = {"network_calls": "int32, calls of the network"}
_SCORES = {
    "nelbo": "float64 [rows], nats: the bound, the negative evidence lower bound",
    "standard_error": "float64 [rows], nats",
}
