"""A model of a Markov chain that knows every probability, of texts up to a row's length."""

import numpy as np
from keras import ops

from md4keras import MD4
from md4keras.evaluation.denoisers import Messages
from md4keras.evaluation.sources import Markov
from md4keras.tokenizers import CharacterTokenizer

ALPHABET = "abcdefgh"


class PaddedMessages(Messages):
    """As `Messages`, of padded rows too: what is padded says nothing."""

    takes_padding_mask = True

    def call(self, inputs, training=None):
        zt = inputs["tokens"]
        if "padding_mask" in inputs:
            zt = ops.where(inputs["padding_mask"], zt, self.vocabulary_size)
        return super().call({"tokens": zt})


class Chain:
    """A stationary chain of eight letters, texts of it, and a model that knows it.

    Args:
        length: int, the tokens of a row of the model.
        end_token: bool, whether the last letter is the tokenizer's end of a text instead.
    """

    def __init__(self, length: int, end_token: bool = False):
        source = Markov.random(len(ALPHABET), length)
        self.matrix, self.stationary = source.matrix, source.stationary
        emission = np.eye(len(ALPHABET))
        self.model = MD4(PaddedMessages(self.matrix, self.stationary, emission, length))
        self.model.tokenizer = CharacterTokenizer(
            ALPHABET[:-1] if end_token else ALPHABET, end_token
        )

    def texts(self, count: int, length: int, seed: int = 0) -> list[str]:
        """Strings of the chain."""
        rows = Markov(self.matrix, length).draw(count, seed)
        return [self.model.tokenizer.decode(row) for row in rows]

    def nats(self, text: str, prompt: str = "") -> float:
        """`-log p(text | prompt)`."""
        tokens = [ALPHABET.index(letter) for letter in prompt[-1:] + text]
        first = 0.0 if prompt else -np.log(self.stationary[tokens[0]])
        return float(first - np.log(self.matrix[tokens[:-1], tokens[1:]]).sum())

    def likeliest_first(self, prompt: str, length: int) -> str:
        """What follows if each time the surest letter of a gap is filled in, and nothing is drawn.

        Each position has its exact distribution given the nearest letters to its left and right.
        """
        powers = [np.eye(len(ALPHABET))]
        for _ in range(length):
            powers.append(powers[-1] @ self.matrix)
        filled = {-1: ALPHABET.index(prompt[-1])}
        while len(filled) <= length:
            surest = {}
            for place in set(range(length)) - set(filled):
                left = max(p for p in filled if p < place)
                right = min((p for p in filled if p > place), default=None)
                p = powers[place - left][filled[left]].copy()
                if right is not None:
                    p *= powers[right - place][:, filled[right]]
                p /= p.sum()
                surest[place] = p.max(), p.argmax()
            place = max(surest, key=surest.get)
            filled[place] = surest[place][1]
        return "".join(ALPHABET[filled[place]] for place in range(length))
