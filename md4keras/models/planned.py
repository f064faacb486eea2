"""The reverse process of event-driven samplers: from one reveal to the next."""

import numpy as np
from keras import ops

from md4keras import random
from md4keras.models.generation import ReverseProcess


class PlannedProcess(ReverseProcess):
    """Call `i` makes the `i`-th event of every row, each row at its own time.

    All noise is drawn once: for each position one uniform that says when it is revealed, and one
    for what it becomes.
    """

    def prepare(self, z, labels, start_time, settings):
        run = super().prepare(z, labels, start_time, settings)
        flat = np.reshape(z, (len(z), -1))  # [B, N]
        sample_ids = ops.arange(len(z), dtype="int32")
        draw = ops.zeros((), dtype="int32")
        when, what = random.uniforms(run["seed"], sample_ids, z.shape[1:], draw)
        plan = self.sampler.plan(
            np.reshape(ops.convert_to_numpy(when), flat.shape),
            flat == self.model.mask_token,
            settings.grid,
            start_time,
            self.model.schedule,
        )
        # Sizes are padded to powers of two, so that few plans compile anew.
        events = plan.times.shape[1]
        pad = ((0, 0), (0, _power_of_two(events) - events))
        return {
            **run,
            "token_uniforms": ops.reshape(what, flat.shape),
            "order": ops.convert_to_tensor(plan.order),
            "rank": ops.convert_to_tensor(plan.rank),
            "event": ops.convert_to_tensor(plan.event),
            "first": ops.convert_to_tensor(np.pad(plan.first, pad)),
            "times": ops.convert_to_tensor(np.pad(plan.times, pad)),
            "num_events": ops.convert_to_tensor(events, dtype="int32"),
            "slots": ops.arange(min(_power_of_two(plan.most), flat.shape[1]), dtype="int32"),
        }

    def most_calls(self, run) -> int:
        return int(ops.convert_to_numpy(run["num_events"]))

    def unfinished(self, run, calls, z, memory):
        return calls < run["num_events"]

    def advance(self, run, calls, z, memory):
        t = ops.take(run["times"], calls, axis=1)  # [B]
        places = ops.take(run["first"], calls, axis=1)[:, None] + run["slots"]  # [B, M]
        last = run["order"].shape[1] - 1
        positions = ops.take_along_axis(run["order"], ops.minimum(places, last), axis=1)

        def logits_at(z, time, labels):  # guidance doubles the batch
            copies = z.shape[0] // positions.shape[0]
            return self.model.network_logits_at(z, time, ops.tile(positions, (copies, 1)), labels)

        logits = self.denoise(run, z, t, logits_at)  # [B, M, V]
        uniforms = ops.take_along_axis(run["token_uniforms"], positions, axis=1)
        tokens = self.sampler.draw(logits, uniforms, t)  # [B, M]
        slot = run["rank"] - ops.take(run["first"], calls, axis=1)[:, None]  # [B, N]
        slot = ops.clip(slot, 0, tokens.shape[1] - 1)
        flat = ops.reshape(z, run["order"].shape)  # [B, N]
        due = ops.equal(run["event"], calls)
        flat = ops.where(due, ops.take_along_axis(tokens, slot, axis=1), flat)
        return calls + 1, ops.reshape(flat, z.shape), memory


def _power_of_two(count: int) -> int:
    """The smallest power of two that is at least `count`."""
    return 1 << (count - 1).bit_length()
