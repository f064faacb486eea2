"""Signatures of an exported model: what each request holds, and the graph that answers it."""

import tensorflow as tf

from md4keras.export import checks, reverse, reverse_blocks
from md4keras.export.checks import within
from md4keras.export.inputs import Inputs
from md4keras.export.interface import Argument, Signature
from md4keras.export.limits import Limits
from md4keras.export.memory import StepMemory
from md4keras.export.saved_model import SIGNATURES
from md4keras.export.text import READ_AND_WRITTEN, WRITTEN, GraphDecoder, GraphTokenizer

_CALLS = {"network_calls": "int32, calls of the network"}
_SCORES = {
    "nelbo": "float64 [rows], nats: the bound, the negative evidence lower bound",
    "standard_error": "float64 [rows], nats",
}


class Signatures:
    """The signatures that a model on TensorFlow can have, with a `Sampler` of steps."""

    def __init__(self, model, sampler, limits: Limits):
        self.model, self.network, self.sampler, self.limits = model, model.network, sampler, limits
        self.inputs, self.memory = Inputs(self.network, limits), StepMemory(sampler, self.network)
        # Traced once for the signatures of tokens and of strings.
        self._samples = tf.function(self._answer_generate, autograph=False)
        self._completions = tf.function(self._answer_infill, autograph=False)
        self._scores = tf.function(self._answer_score, autograph=False)
        self.text, known = None, type(model.tokenizer)
        self.lacks = ("generate_text", "infill_text", "score_text")
        if known in READ_AND_WRITTEN:
            most = self.inputs.max_length
            self.text, self.lacks = GraphTokenizer(model.tokenizer, most, limits.num_samples), ()
        elif known in WRITTEN:
            self.text, self.lacks = GraphDecoder(model.tokenizer), self.lacks[1:]

    def all(self) -> dict[str, Signature]:
        """Every signature of the model, by name."""
        in_blocks = self.model.draws_in_blocks
        lacks = (*self.lacks, *(["denoise_step"] if in_blocks else ["next_block", "block_logits"]))
        return {name: getattr(self, name)() for name in SIGNATURES if name not in lacks}

    def note(self) -> str | None:
        """Why a model lacks signatures, and what to do instead."""
        found = [self._note_of_drawing(), self._note_of_text()]
        return " ".join(filter(None, found)) or None

    def _note_of_drawing(self) -> str | None:
        if not self.model.draws_in_blocks:
            return None
        return (
            "Without denoise_step: a block is drawn given the keys and values of those before it. "
            "Ask for next_block, and for block_logits."
        )

    def _note_of_text(self) -> str | None:
        if self.model.tokenizer is None or not self.lacks:
            return None
        if self.text is not None:
            return (
                f"Without {' and '.join(self.lacks)}: operations of TensorFlow cannot cut a text "
                "into word pieces. Encode it where you ask, with assets.extra/tokenizer.json "
                "(md4keras.tokenizers.load), and ask infill and score for tokens."
            )
        return (
            "Without signatures of text: only tokenizers of characters, bytes and word pieces have "
            "a form as operations of TensorFlow. Ask for tokens, and encode and decode them where "
            "you ask."
        )

    def serving_default(self) -> Signature:
        arguments = [self.inputs.tokens("a state", masks=True)]
        if self.network.time_conditioned:
            meaning, check = "time in [0, 1] of each row", within(0.0, 1.0)
            arguments.append(Argument("time", "float32", (None,), meaning, check, example=[0.5]))
        return Signature(
            "Logits of the denoising distribution, `model.predict_logits`.",
            (*arguments, *self.inputs.labels("each row")),
            {"logits": f"float32 [rows, {self.inputs.shape_text}, {self.network.vocabulary_size}]"},
            lambda request: predict_logits(self.model, self._matched(request)),
        )

    def denoise_step(self) -> Signature:
        unit, late, number = within(0.0, 1.0), within(0.0, 1.0, above=True), self.inputs.number
        step, steps = "number of the step, from 0: new noise for each", self.limits.num_steps
        arguments = [
            self.inputs.tokens("a state", masks=True),
            *self.inputs.labels("each row"),
            number("t", "present time; 0 fills all masks", unit, example=1.0),
            number("s", "time to reach, below t (or 0)", unit, example=0.5),
            Argument("step", "int32", (), step, within(0, steps), 0),
            number("start_time", "time of the first state", late, 1.0),
            *self.inputs.how_to_draw(),
        ]
        arguments[1:1] = self.memory.arguments(self.inputs)
        outputs = self._tokens("rows") | self.memory.outputs()
        meaning = "One step of the reverse process, from time t to time s."
        return Signature(meaning, tuple(arguments), outputs, self._answer_step)

    def generate(self) -> Signature:
        inputs, outputs = self.inputs, self._tokens("num_samples") | _CALLS
        settings = (*inputs.samples(), *inputs.steps(), *inputs.how_to_draw())
        arguments = (*inputs.labels("each sample"), *settings)
        return Signature("Samples, `model.generate`.", arguments, outputs, self._samples)

    def generate_text(self) -> Signature:
        outputs = {"text": "string [num_samples]", **_CALLS}
        return self._of_text(self.generate(), "Samples as text.", outputs)

    def infill(self) -> Signature:
        inputs = self.inputs
        time = "time of the first state, in (0, 1]; 0 for the one that fits the gaps"
        arguments = (
            inputs.tokens("what stands under the mask is not read", read=False),
            inputs.like_tokens("mask", "bool", "true where to draw", None, True),
            *inputs.labels("each row"),
            *inputs.steps(),
            *inputs.how_to_draw(),
            inputs.number("start_time", time, within(0.0, 1.0), 0.0),
        )
        meaning = "Masked tokens drawn given the others, `model.infill`."
        return Signature(meaning, arguments, self._tokens("rows") | _CALLS, self._completions)

    def infill_text(self) -> Signature:
        least = self.text.fewest_underscores
        gap = "an underscore is a gap of one token"
        if least > 1:
            gap = f"{least} or more underscores in a row are a gap, each of one token"
        outputs, text = {"text": "string [rows]", **_CALLS}, (gap, "_" * least)
        return self._of_text(self.infill(), "Texts with their gaps filled.", outputs, text)

    def next_block(self) -> Signature:
        arguments, outputs = self.inputs.of_block(self.model.block_size)
        meaning = "The next block of a text, given the keys and values of those before it."
        return Signature(meaning, arguments, outputs | _CALLS, self._answer_block)

    def block_logits(self) -> Signature:
        arguments, outputs = self.inputs.of_block_logits(self.model.block_size)
        meaning = "Logits of a block, given the keys and values of those before it."
        return Signature(meaning, arguments, outputs, self._answer_block_logits)

    def score(self) -> Signature:
        inputs = self.inputs
        settings = (*inputs.labels("each row"), inputs.seed(", of the masks"), inputs.draws())
        meaning = "A bound on the negative log-likelihood, `model.score`."
        return Signature(meaning, (inputs.tokens("clean"), *settings), _SCORES, self._scores)

    def score_text(self) -> Signature:
        meaning = "A bound on the negative log-likelihood of texts."
        text = ("rows of one length", self.model.tokenizer.decode([0]))
        return self._of_text(self.score(), meaning, _SCORES, text)

    def _of_text(self, signature: Signature, meaning, outputs, text=None) -> Signature:
        """A signature of tokens as one of strings, whose gaps are the mask.

        An argument of the meaning and with the example in `text` takes the place of the tokens.
        """
        gaps = "mask" in [each.name for each in signature.arguments]
        arguments = [each for each in signature.arguments if each.name not in ("tokens", "mask")]
        if text is not None:
            arguments.insert(0, Argument("text", "string", (None,), text[0], example=[text[1]]))

        def answer(request):
            request = dict(request)
            if text is not None:
                request["tokens"] = self.text.encode(request.pop("text"), gaps)
            if gaps:
                request["mask"] = tf.equal(request["tokens"], self.model.mask_token)
            answered = signature.answer(request)
            if "tokens" in answered:
                tokens = answered.pop("tokens")
                answered["text"] = self.text.decode(tokens, request.get("mask"))
            return answered

        return Signature(meaning, tuple(arguments), outputs, answer)

    def _tokens(self, count: str) -> dict[str, str]:
        return {"tokens": f"int32 tokens [{count}, {self.inputs.shape_text}]"}

    # What answers: a request whose inputs were checked one by one, to outputs

    def _matched(self, request, count=None, further=()):
        """The request, once its inputs (`count` samples, or rows of tokens) fit each other."""
        count = tf.shape(request["tokens"])[0] if count is None else count
        each = [name for name in ("time", "labels") if name in request]
        counted = [checks.count_is(name, request[name], count) for name in each]
        return checks.after([*counted, *further], request)

    def _answer_step(self, request):
        checked = [
            checks.not_above(request, "s", "t"),
            checks.not_above(request, "t", "start_time"),
            *self.memory.checks(request),
        ]
        request = self._matched(request, further=checked)
        process = reverse.RequestedProcess(self.model, self.sampler, request)
        given, remembered = self.memory.read(request)
        state = process.run_step(request["tokens"], given, remembered)
        return _drawn(state) | self.memory.written(given, state.remembered)

    def _answer_generate(self, request):
        request = self._matched(request, request["num_samples"])
        shape = (request["length"],) if self.inputs.is_text else self.network.data_shape
        z = tf.fill((request["num_samples"], *shape), self.model.mask_token)
        return self._reversed(z, tf.constant(1.0), request)

    def _answer_infill(self, request):
        alike = checks.same_shape(request, "tokens", "mask")
        mask = checks.after([alike], request["mask"])
        given = tf.where(mask, 0, request["tokens"])
        checked = [
            checks.in_vocabulary("tokens", given, self.network.vocabulary_size - 1),
            checks.something_to_fill("mask", mask),
        ]
        request = self._matched(request | {"tokens": given, "mask": mask}, further=checked)
        z = tf.where(request["mask"], self.model.mask_token, request["tokens"])
        return self._reversed(z, request["start_time"], request)

    def _answer_block(self, request):
        request = self._with_kept(request)
        return reverse_blocks.next_block(self.model, self.sampler, request)

    def _answer_block_logits(self, request):
        return reverse_blocks.block_logits(self.model, self._with_kept(request))

    def _with_kept(self, request):
        """The request, once its keys and values fit the rows of tokens."""
        rows = (1 + self.inputs.has_null_label) * tf.shape(request["tokens"])[0]
        alike = checks.same_shape(request, "keys", "values")
        counted = checks.rows_are("keys", tf.shape(request["keys"])[1], rows)
        return self._matched(request, further=[alike, counted])

    def _reversed(self, z, chosen, request):
        """A run from `z` at the chosen time, or, at 0, at the one that fits the gaps."""
        if self.model.draws_in_blocks:
            tokens, calls = reverse_blocks.run(self.model, self.sampler, request, z, chosen)
            return {"tokens": tokens, "network_calls": calls}
        masked = tf.cast(tf.equal(z, self.model.mask_token), "float32")
        flat = tf.reshape(masked, (tf.shape(z)[0], -1))
        fitting = self.model.schedule.time_of_masked_fraction(tf.reduce_mean(flat, axis=1))
        start_time = tf.where(chosen > 0.0, chosen, fitting)
        state = reverse.RequestedProcess(self.model, self.sampler, request).run(z, start_time)
        return _drawn(state) | {"network_calls": state.calls}

    def _answer_score(self, request):
        nelbo, error = reverse.score(self.model, self._matched(request))
        return {"nelbo": nelbo, "standard_error": error}


def _drawn(state) -> dict:
    """The tokens of a state, once each is one."""
    return {"tokens": checks.after([checks.something_drawn(state.z)], state.z)}


def predict_logits(model, request) -> dict:
    """The answer of `serving_default`."""
    time = request.get("time", 0.0)
    return {"logits": model.network_logits(request["tokens"], time, request.get("labels"))}
