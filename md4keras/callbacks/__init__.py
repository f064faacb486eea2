"""Callbacks for long runs: training states on the disk, and signals that end a run whole."""

from md4keras.callbacks.state_folder import StateFolder
from md4keras.callbacks.stop import Stop, StopBetweenBatches
from md4keras.callbacks.training_checkpoint import TrainingCheckpoint

__all__ = ["StateFolder", "Stop", "StopBetweenBatches", "TrainingCheckpoint"]
