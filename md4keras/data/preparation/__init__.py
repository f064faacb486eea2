"""Preparation of data sets: from where they are published, or your own files, to a folder."""

from md4keras.data.preparation.engine import ray_executor, slurm_executor
from md4keras.data.preparation.known import KNOWN
from md4keras.data.preparation.prepare import Plan, finish, make_plan, prepare, run
from md4keras.data.preparation.settings import NAMES, NO_DETOKENIZER, ROWS, Settings

__all__ = [
    "KNOWN",
    "NAMES",
    "NO_DETOKENIZER",
    "ROWS",
    "Plan",
    "Settings",
    "finish",
    "make_plan",
    "prepare",
    "ray_executor",
    "run",
    "slurm_executor",
]
