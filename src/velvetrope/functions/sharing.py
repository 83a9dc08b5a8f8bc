"""When the event loop and a sandbox share one processor.

Two processes that take turns wake each other, and a processor that has nothing to do sleeps at once: to wake the other
one costs more than a quick handler. So while invocations come one after the other and are quick, the loop's thread is
held where it is (`affinity`), and sandboxes follow to that processor (`zygote.processors`). What either of them begins
meanwhile, threads and processes, runs anywhere.

    apart --a run of quick ones, one at a time--> together
    together --a second one, a slow one, a pause, a sandbox's start, a thread's--> apart

Nobody may be slower for it, so that it is not believed but measured: `TRIAL` invocations together must have been
quicker than those before them, by `GAIN`, or it is not tried again for a while, each time longer. Where a sleeping
processor wakes quickly, or the loop has other work, they stay apart. After `LONGEST_SECONDS` what is known is too
old, and a run apart is measured again.

A timer looks every `WATCH_SECONDS`. Was nothing answered meanwhile, an invocation takes long or none comes, and the
loop and the sandbox are let go of. Rings it far too late, somebody else wants the processor, and nothing is shared for
`CROWDED_SECONDS`.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Protocol

__all__ = ["Affinity", "ProcessorSharing"]

QUICK_SECONDS = 0.001
"""What an invocation may take."""

PAUSE_SECONDS = 0.005
"""What may pass between two of them."""

RUN = 32
"""As many quick invocations in a row say what they take apart, and that more will come."""

TRIAL = 32
"""As many say what they take together."""

OUTLIERS = 4
"""As many of either, the slowest, say nothing: something else had the processor."""

GAIN = 0.9
"""They must take less than so much of what they took apart."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.02, 60.0
LONGEST_SECONDS = 1.0
WATCH_SECONDS = 0.005
"""More than between two ticks of a kernel's clock, so that to wait with this limit costs no timer of its own: one
millisecond made each invocation slower by a tenth."""

LATE_SECONDS = 0.005
CROWDED_SECONDS = 10.0


class Affinity(Protocol):
    """Holds the event loop's thread: `affinity.ThreadAffinity`."""

    @property
    def held(self) -> bool: ...
    def hold(self) -> int | None: ...
    def let_go(self) -> None: ...


class Follower(Protocol):
    """A sandbox whose runtime waits on the processor that it is told."""

    def spread(self, processor: int) -> None:
        """Have it run anywhere again, in the course of an invocation."""
        ...


class ProcessorSharing:
    """See the module. Belongs to one event loop; `close` it."""

    def __init__(self, affinity: Affinity, *, gain: float = GAIN, seconds: Callable[[], float] = perf_counter) -> None:
        """`seconds` is a clock of microseconds; the event loop's own need not be one."""
        self._affinity = affinity
        self._gain = gain
        self._seconds = seconds
        self._under_way = 0
        self._run = 0
        """Quick ones in a row, since they are apart, or together since they were last judged."""
        self._taken: deque[float] = deque(maxlen=RUN)
        """What the last of these took."""
        self._apart_mean = 0.0
        self._answered_at = 0.0
        self._processor: int | None = None
        """Where they are together."""
        self._at_work: Follower | None = None
        """Who runs an invocation while they are together."""
        self._together_since = 0.0
        self._not_before = 0.0
        self._pause = FIRST_PAUSE_SECONDS
        self._answers = self._answers_seen = 0
        self._watch: asyncio.TimerHandle | None = None
        self._rings_at = 0.0

    @property
    def together(self) -> bool:
        """Whether the loop is held."""
        return self._processor is not None

    def begin(self) -> None:
        """An invocation or a start is under way, running or waiting."""
        self._under_way += 1
        if self._under_way > 1:
            self._part()

    def end(self) -> None:
        """It is no more."""
        self._under_way -= 1

    def next_processor(self, follower: Follower) -> int | None:
        """An event is about to be sent: the processor on which the next one should be waited for, if there is one."""
        now = self._seconds()
        if now - self._answered_at > PAUSE_SECONDS or (self.together and not self._affinity.held):
            self._part()
        elif self._processor is None:
            if self._run >= RUN and self._under_way == 1 and now >= self._not_before:
                self._join(now)
        elif now - self._together_since > LONGEST_SECONDS:
            self._part()
        if self._processor is not None:
            self._at_work = follower
        return self._processor

    def answered(self, seconds: float) -> None:
        """An invocation was answered after so long."""
        now = self._answered_at = self._seconds()
        self._at_work = None
        self._answers += 1
        if self._under_way != 1 or seconds > QUICK_SECONDS:
            self._part()
            return
        self._run += 1
        self._taken.append(seconds)
        if self._processor is not None and self._run == TRIAL:
            self._judge(now)

    def close(self) -> None:
        """Let go of the loop's thread."""
        self._part()

    def _join(self, now: float) -> None:
        self._processor = self._affinity.hold()
        if self._processor is None:
            self._rest(now, LONGEST_PAUSE_SECONDS)
            return
        self._apart_mean = self._mean()
        self._begin_run()
        self._together_since = now
        self._answers_seen = -1
        self._look_soon()

    def _part(self) -> None:
        """Begin a new run, apart."""
        self._begin_run()
        if self._processor is not None:
            self._affinity.let_go()
            if self._at_work is not None:
                self._at_work.spread(self._processor)
                self._at_work = None
            self._processor = None
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def _judge(self, now: float) -> None:
        """Whether it was worth it. The first of a trial was waited for elsewhere still, and weighs little."""
        if self._mean() < self._apart_mean * self._gain:
            self._pause = FIRST_PAUSE_SECONDS
            self._begin_run()
        else:
            self._rest(now, self._pause)
            self._pause = min(2 * self._pause, LONGEST_PAUSE_SECONDS)

    def _mean(self) -> float:
        taken = sorted(self._taken)[:-OUTLIERS]
        return sum(taken) / len(taken)

    def _begin_run(self) -> None:
        self._run = 0
        self._taken.clear()

    def _rest(self, now: float, seconds: float) -> None:
        self._part()
        self._not_before = now + seconds

    def _look_soon(self) -> None:
        self._rings_at = self._seconds() + WATCH_SECONDS
        self._watch = asyncio.get_running_loop().call_later(WATCH_SECONDS, self._look)

    def _look(self) -> None:
        now = self._seconds()
        if now - self._rings_at > LATE_SECONDS:
            self._rest(now, CROWDED_SECONDS)
        elif self._answers == self._answers_seen:  # nothing goes on, or something that takes long
            self._part()
        else:
            self._answers_seen = self._answers
            self._look_soon()
