"""A schedule as seen by a reverse process that starts later than at time 1."""

from keras import ops


class Rescaled:
    """A schedule for the positions that are to be drawn, all of which are masked at the start.

    Their `1 - alpha` is the schedule's, divided by its value at the start.

    Args:
        schedule: a schedule.
        start_time: float tensor `[B]`.

    Example:

    >>> late = md4keras.schedules.Rescaled(md4keras.schedules.Linear(), np.array([0.5], "float32"))
    >>> print(np.asarray(late.masked_fraction(np.array([0.5, 0.25], "float32"))).round(2))
    [1.  0.5]
    """

    def __init__(self, schedule, start_time):
        self.schedule, self.start_time = schedule, start_time
        self.per_token = schedule.per_token

    def alpha(self, t):
        """Probability that a position to be drawn is clean at `t`."""
        return 1.0 - (1.0 - self.schedule.alpha(t)) / (1.0 - self.schedule.alpha(self.start_time))

    def masked_fraction(self, t):
        """The expected part, of the positions to be drawn, that is masked at `t`."""
        start = self.schedule.masked_fraction(self.start_time)
        return self.schedule.masked_fraction(t) / ops.maximum(start, 1e-30)

    def reveal_probability(self, s, t):
        """As the schedule's: the start cancels."""
        return self.schedule.reveal_probability(s, t)
