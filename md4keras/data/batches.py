"""The Grain data sets that all sources share: whole batches, gathered from arrays in memory."""

from collections.abc import Callable

from md4keras.checks import check_whole, is_whole
from md4keras.files import import_optional


def batches(
    gather: Callable,
    num_examples: int,
    batch_size: int,
    training: bool,
    seed: int = 0,
    start_batch: int = 0,
    shard: tuple[int, int] = (0, 1),
):
    """A `grain.IterDataset` of batches, which every backend's `fit` and `evaluate` read.

    Grain shuffles and groups indices, and one NumPy call gathers a batch, because Python work per
    example would cost more than a small model's training step. In training, every epoch visits
    each example once in a new order, a batch may span two epochs, and there is no end: pass
    `steps_per_epoch` to `fit`, and `shuffle=False` against its warning. Batch `k` is a function of
    `(seed, k)` alone, so a run that used `k` batches continues exactly with `start_batch=k`.
    Otherwise the examples come once, in order, the last batch as short as it has to be. The data
    set can be iterated any number of times and starts anew each time.

    Args:
        gather: function of indices (ints `[batch]`) and a `np.random.Generator` for augmentation
            (`None` outside training) that returns the batch.
        num_examples: int, how many examples there are.
        batch_size: int, examples in a batch.
        training: bool, whether the order is shuffled and endless.
        seed: int in `[0, 2**32)`, of the order and the augmentation in training.
        start_batch: int, the number of the first batch.
        shard: `(i, n)` for process `i` of `n`, which gets every `n`-th example of the one order:
            together their batches `k` are batch `k` of a single process with `n` times the size.

    Example:

    >>> x = np.arange(10)
    >>> data = md4keras.data.batches(lambda indices, generator: x[indices], 10, 4, training=False)
    >>> [batch.tolist() for batch in data]
    [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    """
    check_position(batch_size, seed, start_batch, shard)
    grain = import_optional("grain", "reads the data")
    indices = grain.MapDataset.range(num_examples)
    if training:
        epochs = 2**53 // num_examples  # no end in practice; beyond, Grain's lengths overflow
        indices = indices.seed(int(seed)).shuffle().repeat(epochs)
    dataset = indices[int(shard[0]) :: int(shard[1])].batch(int(batch_size))
    dataset = dataset.random_map(gather) if training else dataset.map(lambda i: gather(i, None))
    # The data are in memory already, so no reading threads: they would contend for the interpreter.
    read_options = grain.ReadOptions(num_threads=0, prefetch_buffer_size=0)
    return dataset[int(start_batch) :].to_iter_dataset(read_options)


def check_position(batch_size, seed, start_batch, shard) -> None:
    """Raises a `ValueError` for arguments of `batches` that make no sense."""
    check_whole("batch_size", batch_size)
    check_whole("start_batch", start_batch, least=0)
    check_whole("seed", seed, least=0)
    whole = len(shard) == 2 and all(map(is_whole, shard)) and 0 <= shard[0] < shard[1]
    if not whole:
        raise ValueError(
            "`shard` cannot be used. Expected (i, n) for process i of n, counted from 0. "
            f"Received: shard={shard!r}. Use (0, 1) for one process alone."
        )
