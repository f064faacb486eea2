"""Counter-based random numbers: the same bits on every backend, batch size and driver.

Threefry-2x32 with 20 rounds (Salmon et al. 2011, *Parallel random numbers: as easy as 1, 2, 3*).
Words are int32 tensors that hold the bit pattern of a uint32: additions wrap around on every
backend, which unsigned types do not offer everywhere.
"""

from keras import ops

from md4keras.checks import check_whole

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def threefry2x32(key, counter):
    """Encrypts a counter of two words under a key of two words.

    Args:
        key: pair of int32 tensors.
        counter: pair of int32 tensors; all four broadcast against each other.

    Returns:
        pair of int32 tensors, 64 random bits for each (key, counter).
    """
    keys = (*key, ops.bitwise_xor(ops.bitwise_xor(key[0], key[1]), _PARITY))
    x0, x1 = counter[0] + keys[0], counter[1] + keys[1]
    for block in range(5):
        for rotation in _ROTATIONS[block % 2]:
            x0 = x0 + x1
            x1 = ops.bitwise_xor(_rotate_left(x1, rotation), x0)
        x0 = x0 + keys[(block + 1) % 3]
        x1 = x1 + keys[(block + 2) % 3] + (block + 1)
    return x0, x1


def uniforms(seed, sample_ids, shape, draw, first=None):
    """Two independent uniforms for each position of each sample.

    They depend on `(seed, sample, position, draw)` alone.

    Args:
        seed: int32 scalar tensor.
        sample_ids: int32 tensor `[B]`, the number of each sample under this seed.
        shape: `data_shape`, the positions of one sample.
        draw: int32 scalar tensor, such as the number of the reverse step.
        first: int32 tensor `[B]`, the number of each sample's first position; `None` for 0.

    Returns:
        pair of float32 tensors `[B, *shape]` in `[0, 1)`, multiples of `2**-24`.
    """
    count = 1
    for size in shape:
        count *= size
    positions = ops.reshape(ops.arange(count, dtype="int32"), (1, *shape))
    sample_ids = ops.reshape(sample_ids, (-1,) + (1,) * len(shape))
    if first is not None:
        positions = positions + ops.reshape(first, (-1,) + (1,) * len(shape))
    words = threefry2x32((seed, sample_ids), (positions, draw))
    return tuple(_to_uniform(word) for word in words)


def check_seed(seed) -> None:
    """Raises a `ValueError` unless the seed is a whole number in `[0, 2**32)`."""
    check_whole("seed", seed, 0, 2**32 - 1, "Seeds have 32 bits: use 0, for instance.")


def seed_word(seed):
    """The signed 32-bit number that has the bits of a seed in `[0, 2**32)`.

    Args:
        seed: int, or an int64 tensor.
    """
    return (seed + 2**31) % 2**32 - 2**31


def _rotate_left(word, bits):
    # A right shift of int32 copies the sign bit, which the mask removes.
    low = ops.bitwise_and(ops.right_shift(word, 32 - bits), (1 << bits) - 1)
    return ops.bitwise_or(ops.left_shift(word, bits), low)


def _to_uniform(word):
    top = ops.bitwise_and(ops.right_shift(word, 8), (1 << 24) - 1)
    return ops.cast(top, "float32") * 2.0**-24
