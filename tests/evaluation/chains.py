"""A model of a Markov chain that knows every probability, of texts up to a row's length."""

import numpy as np
from keras import ops

from benchmarks.markov import MarkovConditionals, draw, source
from md4keras import MD4
from md4keras.tokenizers import CharacterTokenizer

ALPHABET = "abcdefgh"


class PaddedMarkov(MarkovConditionals):
    """As `MarkovConditionals`; of shorter rows too, and what is padded says nothing."""

    takes_padding_mask = True

    def call(self, inputs, training=None):
        zt = inputs["tokens"]
        if "padding_mask" in inputs:
            zt = ops.where(inputs["padding_mask"], zt, self.vocabulary_size)
        length = zt.shape[1]
        behind = ((0, 0), (0, self.data_shape[0] - length))
        zt = ops.pad(zt, behind, constant_values=self.vocabulary_size)
        return super().call({"tokens": zt})[:, :length]


class Chain:
    """A stationary chain of eight letters, texts of it, and a model that knows it.

    Args:
        length: int, the tokens of a row of the model.
        end_token: bool, whether the last letter is the tokenizer's end of a text instead.
    """

    def __init__(self, length: int, end_token: bool = False):
        self.matrix, self.stationary, _ = source(len(ALPHABET))
        self.model = MD4(PaddedMarkov(self.matrix, self.stationary, length))
        self.model.tokenizer = CharacterTokenizer(
            ALPHABET[:-1] if end_token else ALPHABET, end_token
        )

    def texts(self, count: int, length: int, seed: int = 0) -> list[str]:
        """Strings of the chain."""
        rows = draw(self.matrix, self.stationary, count, length, seed)
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
