"""The engine of preparations, `datatrove`: ranks that write a part each and can be run anywhere.

A rank is a function of its number alone and writes its files whole or not at all; `datatrove` notes
which are done, so that whoever runs the same ranks again (after a failure, or a kill) does what is
left. One machine's cores, Slurm and Ray run the same steps. Its own readers are not used: what is
damaged they pass over with a warning in a log.
"""

import concurrent.futures
import contextlib
import io
import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from pathlib import Path

from md4keras.data.download import words_of
from md4keras.files import import_optional

PROGRESS = ".progress"  # in the folder that is being prepared
_SECONDS = 10  # between two words on how far it is


def run_ranks(
    steps: list, tasks: int, folder: Path, workers: int, say: Callable[[str], None]
) -> None:
    """Runs all ranks that are not done yet, several at a time, on this machine.

    `datatrove`'s local executor runs each. Its pool of processes is not used: it waits for ever
    where a process was killed.

    Args:
        steps: list of functions of (documents, rank, number of ranks), of which the first gets
            `None`; they can be pickled.
        tasks: int, the number of ranks.
        folder: that is being prepared.
        workers: int, how many ranks run at the same time; 1 for this process alone.
        say: function that is told how far it is.

    Raises:
        ValueError: for what is wrong with data, network, disk or workers, in all ranks that ran.
    """
    executor = _executor(steps, tasks, folder)
    left = executor.get_incomplete_ranks()
    if len(left) < tasks:
        say(f"{tasks - len(left)} of {tasks} parts are done already")
    with _telling(say, lambda: _progress(folder, executor)):
        if workers == 1 or len(left) <= 1:
            for rank in left:
                _raise_all([_fault_of(lambda rank=rank: _run_rank(steps, tasks, folder, rank))])
        else:
            _raise_all(_run_in_processes(steps, tasks, folder, left, workers))


def _run_in_processes(steps, tasks: int, folder: Path, ranks: list, workers: int) -> list:
    """Runs ranks in processes of their own; returns their faults."""
    faults, context = [], multiprocessing.get_context("spawn")
    others = set(multiprocessing.active_children())
    with concurrent.futures.ProcessPoolExecutor(
        min(workers, len(ranks)), context, initializer=_end_with_parent
    ) as pool:
        try:
            running = {pool.submit(_run_rank, steps, tasks, folder, rank) for rank in ranks}
            while running:
                done, running = concurrent.futures.wait(
                    running, return_when=concurrent.futures.FIRST_COMPLETED
                )
                new = [_fault_of(future.result) for future in done if not future.cancelled()]
                faults += [fault for fault in new if fault]
                if faults:  # what runs may end, the rest is for the next time
                    running = {future for future in running if not future.cancel()}
        except BaseException:  # Ctrl-C, or a defect: not after the hour that a rank may take
            for worker in set(multiprocessing.active_children()) - others:
                worker.kill()
            raise
    return faults


def slurm_executor(plan, time: str, partition: str, workers: int = -1):
    """`datatrove`'s executor that runs a plan's ranks on a Slurm cluster: call its `run()`.

    When all ranks are done, `finish(plan)` (or the same `md4keras data prepare`) makes the folder
    a data set.

    Args:
        plan: of `make_plan`, whose folder all machines see.
        time: str, the limit of a rank, such as `"10:00:00"`.
        partition: str, of the cluster.
        workers: int, ranks at the same time; -1 for no limit.
    """
    module = _datatrove("datatrove.executor.slurm")
    return module.SlurmPipelineExecutor(
        plan.steps,
        plan.tasks,
        time,
        partition,
        workers=workers,
        logging_dir=str(plan.folder / PROGRESS),
    )


def ray_executor(plan, workers: int = -1):
    """As `slurm_executor` on a Ray cluster (`pip install ray`)."""
    module = _datatrove("datatrove.executor.ray")
    logging_dir = str(plan.folder / PROGRESS)
    return module.RayPipelineExecutor(
        plan.steps, plan.tasks, workers=workers, logging_dir=logging_dir
    )


class Counter:
    """Notes for the others how many examples a rank has done, every second or so."""

    def __init__(self, folder: Path, rank: int):
        self.path, self.count, self.noted = folder / PROGRESS / "counts" / f"{rank:05d}", 0, 0.0
        self.path.parent.mkdir(parents=True, exist_ok=True)

    def add(self, count: int) -> None:
        self.count += count
        if time.monotonic() - self.noted > 1:
            self.note()

    def note(self) -> None:
        self.noted = time.monotonic()
        self.path.write_text(str(self.count))


def _datatrove(name: str):
    return import_optional(name, "prepares the data", "md4keras[data]")


def _executor(steps, tasks: int, folder: Path):
    module = _datatrove("datatrove.executor.local")
    return module.LocalPipelineExecutor(
        steps, tasks, workers=1, logging_dir=str(folder / PROGRESS), skip_completed=True
    )


def _run_rank(steps, tasks: int, folder: Path, rank: int) -> None:
    """One rank, with its log in its file alone."""
    with contextlib.redirect_stderr(io.StringIO()):
        _executor(steps, tasks, folder)._run_for_rank(rank, local_rank=1)


def _end_with_parent() -> None:
    """A worker ends where its parent was killed, rather than wait for work for ever."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"  # a core for each worker

    def watch():
        wait([multiprocessing.parent_process().sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _fault_of(call: Callable) -> str | None:
    """What a call raised, in words; `None` if nothing."""
    try:
        call()
    except BrokenProcessPool:
        return (
            "a worker was killed, perhaps for want of memory. Expected all to end. Received: a "
            "signal. Run it again, it goes on; with fewer --workers if it happens again"
        )
    except OSError as error:
        return (
            f"the disk cannot be used: {words_of(error)}. Expected room and permission. Received: "
            f"{type(error).__name__}. Make room, and run it again, it goes on"
        )
    except ValueError as error:
        return str(error).removesuffix(".")
    return None


def _raise_all(faults: list) -> None:
    faults = sorted({fault for fault in faults if fault})
    if len(faults) == 1:
        raise ValueError(f"The preparation stopped: {faults[0]}.")
    if faults:
        lines = "".join(f"\n  {fault}." for fault in faults)
        raise ValueError(f"The preparation stopped, for {len(faults)} reasons:{lines}")


@contextlib.contextmanager
def _telling(say: Callable[[str], None], words: Callable[[], str]):
    """Tells how far it is now and then while the block runs, and where it stands at its end."""
    ended = threading.Event()

    def tell():
        while not ended.wait(_SECONDS):
            say(words())

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        say(words())


def _progress(folder: Path, executor) -> str:
    done = executor.tasks - len(executor.get_incomplete_ranks(skip_completed=True))
    counts = (folder / PROGRESS / "counts").glob("*")
    examples = sum(int(count.read_text() or 0) for count in counts)
    return f"{done} of {executor.tasks} parts, {examples:,} examples"
