"""Prompts of tokens, texts and chats, and the blocks in which they are continued."""

import keras
import numpy as np
import pytest

from md4keras import MD4, GenMD4
from md4keras.evaluation.sources import Enumerable
from md4keras.models import prompts
from md4keras.networks import Transformer, UNet
from md4keras.samplers import Confidence, Threshold
from md4keras.tokenizers import CharacterTokenizer
from tests.models.tabular import FixedLogits, chi_square, count_states
from tests.models.weights import randomised

V, L = 5, 8
LETTERS = CharacterTokenizer("abcd", end_token=True)  # its end is 4
ORDERED = {"sampler": Confidence(ties="first"), "time_grid": "uniform", "temperature": 0}
TEMPLATE = "{% for m in messages %}{{ m.content }}b{% endfor %}"


def make(kind=MD4, **network):
    network = {"num_layers": 1, "remat": None} | network
    return randomised(kind(Transformer(V, L, num_heads=2, feature_dim=8, **network)))


@pytest.fixture(scope="module")
def model():
    return make()


@pytest.fixture
def speaker(model):
    """The model with a tokenizer."""
    model.tokenizer = CharacterTokenizer("abcde")
    yield model
    model.tokenizer = None


@pytest.mark.parametrize("sampler", ["confidence", pytest.param("event", marks=pytest.mark.slow)])
def test_prompts_of_different_lengths_go_on_as_each_alone(model, sampler):
    """In their blocks, which are drawn from left to right in the prompt's row."""
    given = [np.arange(n) % V for n in (3, 0, 2)]
    how = {"length": 6, "block_length": 2, "num_steps": 6, "sampler": sampler, "seed": 4}
    found = model.generate(prompt=given, **how)
    assert [len(row) for row in found] == [9, 6, 8]
    states = list(model.sample_steps(prompt=given, **how))
    for i, (row, prompt) in enumerate(zip(found, given, strict=True)):
        np.testing.assert_array_equal(row[: len(prompt)], prompt)
        assert row.dtype == "int32" and 0 <= row.min() <= row.max() < V
        np.testing.assert_array_equal(states[-1].tokens[i], row)
        assert (states[0].tokens[i][len(prompt) :] == V).all()
    alone = model.generate(3, prompt=given[2], **how)
    np.testing.assert_array_equal(alone[2], found[2])
    for state in states:  # nothing is drawn before what stands to its left
        masked = np.array([row[-6:] for row in state.tokens]) == V
        blocks = masked.reshape(3, 3, 2).sum(axis=2)
        assert ((blocks[:, :-1] == 0) | (blocks[:, 1:] == 2)).all()
    calls = [state.calls for state in states]
    assert calls == sorted(set(calls)) and calls[-1] <= states[0].most_calls


@pytest.mark.one_backend
def test_the_most_calls_are_those_of_blocks_with_unequal_shares(model):
    """Seven steps of two blocks are three and four; ancestral ones may take one more each."""
    states = list(model.sample_steps(prompt=[1], length=6, block_length=3, num_steps=7))
    assert states[0].most_calls == 3 + 1 + 4 + 1
    most = [state.most_calls for state in states]
    assert most == sorted(most, reverse=True) and states[-1].calls <= most[-1]


def test_one_block_is_an_infilling(model):
    tokens = np.array([[1, 2, 0, 0, 0, 0], [3, 3, 0, 0, 0, 0]])
    how = {"num_steps": 3, "seed": 7}
    found = model.generate(prompt=tokens[:, :2], length=4, **how)
    np.testing.assert_array_equal(found, model.infill(tokens, np.arange(6) >= 2, **how))


@pytest.mark.slow
def test_networks_are_told_how_much_is_masked():
    """A timed network: of what is ahead, too. And of several classes, under guidance."""
    for model, how in (
        (make(time_features="t"), {}),
        (make(GenMD4, time_features="t"), {}),
        (make(num_classes=2, label_dropout=0.1), {"labels": [0, 1], "guidance_scale": 2.0}),
    ):
        how |= {"length": 6, "block_length": 3, "num_steps": 4}
        found = model.generate(2, prompt=[1, 2], **how)
        *_, last = model.sample_steps(2, prompt=[1, 2], **how)
        np.testing.assert_array_equal(found, last.tokens)
        assert found.shape == (2, 8) and (found[:, :2] == [1, 2]).all() and found.max() < V


@pytest.mark.one_backend
def test_the_networks_time_is_that_of_all_masks(monkeypatch):
    """Rather than that of the sampler, which goes to 0 in each block."""
    model, seen = make(time_features="t"), []
    network_logits = MD4.network_logits

    def logits(self, zt, time, *args, **kwargs):
        seen.append((np.asarray(zt) == V, np.asarray(time)))
        return network_logits(self, zt, time, *args, **kwargs)

    monkeypatch.setattr(MD4, "network_logits", logits)
    for name in ("reverse_process", "stepped_process"):
        where = f"md4keras.samplers.{name}.compile_function"
        monkeypatch.setattr(where, lambda m, f: f)
    monkeypatch.setattr("keras.ops.while_loop", _eager_loop)
    how = {"sampler": Confidence(ties="first"), "num_steps": 6, "time_grid": "uniform"}
    model.generate(prompt=np.zeros((1, 2), int), length=6, block_length=2, **how)
    seen = [(z, t) for z, t in seen if (z[0] & True).any()]
    assert len(seen) == 6
    for masked, time in seen:
        # The linear schedule masks the fraction `time` of a row of 8 tokens.
        np.testing.assert_allclose(time[0], masked[0].sum() / 8, atol=2e-3)


def _eager_loop(cond, body, state):
    while bool(cond(*state)):
        state = tuple(body(*state))
    return state


ONE_BY_ONE = [Threshold(threshold=1.0), pytest.param("first_hitting", marks=pytest.mark.slow)]


@pytest.mark.parametrize("sampler", ONE_BY_ONE)
def test_with_exact_conditionals_blocks_change_no_law(sampler):
    """Of 27 ends of a given beginning; the test errs once in 1,000 seeds."""
    joint = Enumerable.random(3, 4, seed=2).joint
    model = MD4(Enumerable(joint).denoiser())
    how = {"length": 3, "block_length": 2, "num_steps": 8, "sampler": sampler}
    drawn = model.generate(6000, prompt=[1], seed=3, **how)
    assert (drawn[:, 0] == 1).all()
    law = joint[1] / joint[1].sum()
    assert chi_square(count_states(drawn[:, 1:], 3), law) > 1e-3


class TestForms:
    def test_text_in_text_out(self, speaker):
        how = {"length": 4, **ORDERED, "num_steps": 4}
        tokens = speaker.generate(prompt=[[0, 1], [4]], **how)
        found = speaker.generate(prompt=["ab", "e"], **how)
        assert found == [speaker.tokenizer.decode(row) for row in tokens]
        assert [text[:1] for text in found] == ["a", "e"] and len(found[0]) == 6
        one = speaker.generate(prompt="ab", **how)
        assert one == found[0]
        assert speaker.generate(3, prompt="ab", **how) == [one] * 3
        np.testing.assert_array_equal(speaker.generate(prompt=[0, 1], **how), tokens[0])

    @pytest.mark.one_backend
    def test_an_answer_to_a_chat(self, speaker):
        speaker.tokenizer.chat_template = TEMPLATE
        how = {"length": 4, **ORDERED, "num_steps": 4}
        chat = [{"role": "user", "content": "a"}]
        found = speaker.generate(prompt=chat, **how)
        assert found == speaker.generate(prompt="ab", **how)[2:]
        assert speaker.generate(prompt=[chat, chat], **how) == [found, found]

    @pytest.mark.one_backend
    def test_without_a_length_a_row_has_the_training_length(self, model):
        found = model.generate(prompt=[[1], [1, 2, 3]], num_steps=2)
        assert found.shape == (2, L)
        found = model.generate(prompt=[[1], [1, 2, 3]], length=[2, 5], num_steps=2)
        assert [len(row) for row in found] == [3, 8]

    @pytest.mark.one_backend
    def test_blocks_are_drawn_from_texts_too(self, speaker):
        how = {"block_length": 2, "num_steps": 2}
        texts, tokens = (
            np.concatenate(list(speaker.generate_blocks(2, 4, prompt=p, **how)), axis=1)
            for p in (["ab", "c"], [[0, 1], [2]])
        )
        np.testing.assert_array_equal(texts, tokens)


class TestEnds:
    """The model writes its end, 4, or whatever `FixedLogits` make likely."""

    def ending(self, logits):
        model = MD4(FixedLogits(logits, L))
        model.tokenizer = LETTERS
        return model

    def test_no_block_is_drawn_after_the_end_of_all_texts(self):
        model = self.ending([0.0, 0.0, 0.0, 0.0, 9.0])
        how = {"length": 6, "block_length": 2, "num_steps": 6, **ORDERED}
        states = list(model.sample_steps(prompt=[[0], [1]], **how))
        assert states[-1].calls == 2 and (states[-1].tokens[:, 1:] == 4).all()
        assert model.generate(prompt=["a", "b"], **how) == ["a", "b"]
        model.tokenizer = CharacterTokenizer("abcde")
        *_, last = model.sample_steps(prompt=[[0], [1]], **how)
        assert last.calls == 6 and len(model._functions) == 1  # one program for all blocks

    @pytest.mark.one_backend
    def test_a_stream_ends_where_all_texts_have_ended(self):
        how = {"block_length": 2, "num_steps": 2, "temperature": 0}
        model = self.ending([0.0, 0.0, 0.0, 0.0, 9.0])
        (block,) = model.generate_blocks(2, 8, prompt=["a", "b"], **how)
        assert (block == 4).all()
        model = self.ending([0.0] * 5)
        drawn = list(model.generate_blocks(20, 20, **(how | {"temperature": 1.0})))
        whole = np.concatenate(drawn, axis=1)
        assert whole.shape[1] == 20 or (whole == 4).any(axis=1).all()
        for row in whole:
            first = (row == 4).argmax() if (row == 4).any() else len(row)
            assert (row[first + 2 - first % 2 :] == 4).all()  # all blocks after that of the end

    @pytest.mark.one_backend
    def test_a_text_that_has_ended_is_as_it_would_be_alone(self):
        """While another goes on: whatever is drawn behind its end is the end."""
        model = self.ending([1.0, 1.0, 1.0, 1.0, 1.0])
        how = {"length": 6, "block_length": 2, "num_steps": 6, "sampler": "confidence"}
        found = model.generate(20, prompt=[0], seed=1, **how)
        ended = False
        for row in found:
            for begin in range(1, 7, 2):
                if (row[1:begin] == 4).any():
                    assert (row[begin:] == 4).all()
                    ended = True
        assert ended and not (found[:, -2:] == 4).all()
        *_, last = model.sample_steps(20, prompt=[0], seed=1, **how)
        np.testing.assert_array_equal(last.tokens, found)
        texts = model.generate(20, prompt="a", seed=1, **how)
        assert texts == LETTERS.decode(found)


class TestGuidance:
    def test_is_against_the_masked_prompt(self, model):
        """The first token revealed is the likeliest of the logits `u + w (c - u)`."""
        tokens = np.array([[1, 2, V, V], [3, 0, V, V]])
        hidden = np.full_like(tokens, V)
        given, without = (
            keras.ops.convert_to_numpy(model.predict_logits(z, 0.5)) for z in (tokens, hidden)
        )
        for scale in (0.0, 2.5):
            logits = (without + scale * (given - without))[:, 2:]
            how = {"length": 2, "num_steps": 1, "guidance_scale": scale}
            found = model.generate(prompt=tokens[:, :2], **how, **ORDERED)
            np.testing.assert_array_equal(found[:, 2:], logits.argmax(axis=-1))

    @pytest.mark.one_backend
    def test_goes_along_with_a_window(self, model):
        blocks = model.generate_blocks(
            1, 12, prompt=[1, 2], block_length=4, num_steps=2, guidance_scale=2.0
        )
        assert np.concatenate(list(blocks), axis=1).shape == (1, 12)


@pytest.mark.one_backend
class TestMistakes:
    def test_are_named_before_any_work(self, model):
        image = MD4(UNet(4, (4, 4, 1), num_layers=0, feature_dim=64))
        chat = [{"role": "user", "content": "a"}]
        cases = {
            "Only text is generated.*`prompt`": lambda: image.generate(prompt="a"),
            "`num_samples` cannot be used.*num_samples=None": lambda: model.generate(),
            "num_samples=None": lambda: model.generate(block_length=4),
            "no tokenizer.*prompt=\\['ab'\\]": lambda: model.generate(prompt="ab"),
            "no tokenizer.*'role'": lambda: model.generate(prompt=chat),
            "A chat is a list of messages": lambda: model.generate(prompt=chat[0]),
            "a list of 3": lambda: model.generate(3, prompt=[[1], [2]]),
            r"\[P\] or \[B, P\]": lambda: model.generate(prompt=np.zeros((1, 1, 1), int)),
            "from 5 to 5": lambda: model.generate(prompt=[5]),
            "takes all of the training length": lambda: model.generate(prompt=[1] * 8),
            "no `data_shape`": lambda: model.generate(prompt=[1], data_shape=4),
            "length=0": lambda: model.generate(prompt=[1], length=0),
            "block_length=0": lambda: model.generate(prompt=[1], block_length=0),
            "one `length` for all": lambda: model.generate(prompt=[[1], [1, 2]], block_length=2),
            "or a prompt.*guidance_scale=2": lambda: model.generate(
                1, block_length=2, guidance_scale=2.0
            ),
            "positions that were never learned": lambda: make(positions="learned").generate(
                prompt=[1], length=8
            ),
        }
        for message, call in cases.items():
            with pytest.raises(ValueError, match=message):
                call()

    def test_a_prompt_for_each_sample(self, speaker):
        with pytest.raises(ValueError, match="num_samples=3, 2 prompts"):
            speaker.generate(3, prompt=["a", "b"])
        with pytest.raises(ValueError, match="no chat template"):
            speaker.generate(prompt=[{"role": "user", "content": "a"}])

    @pytest.mark.parametrize(
        "prompt",
        [
            ["a", 3],
            ["a", [1, 2]],
            [[1, 2], "a"],
            ["a", {"role": "user", "content": "a"}],
            ["a", None],
            [["a"], ["b"]],
            b"ab",
            {"ab"},
        ],
        ids=str,
    )
    def test_what_is_no_prompt_is_told_so(self, speaker, prompt):
        with pytest.raises(ValueError, match="This is no prompt. Expected a text, .*Received: "):
            speaker.generate(prompt=prompt, length=3)

    def test_all_kinds_are_told_apart(self, speaker):
        kinds = {
            prompts.TEXTS: ["a", ["a", "b"], np.array(["a", "b"]), np.str_("a")],
            prompts.TOKENS: [None, [1, 2], [[1], [1, 2]], np.zeros((2, 3), int), []],
        }
        for kind, examples in kinds.items():
            for prompt in examples:
                count = 1 if prompt is None else None
                assert prompts.read(speaker, prompt, count).kind == kind
