"""The feed's clock: tells the publishers, second by second, what time it is, while anybody listens to what time moves.

    schedule, each minute --.                       every second of the minute that somebody listens:
    a `subscribe` -----------+--> beat queue -> run_minute -> feed queue, one message per market -> feed_publish
    the minute before ------'                                 (so a heartbeat is behind all that it names)

A beat is a message in the market's own feed queue. Its id names the second, so that two clocks that run at once count as one,
and a message to the beat queue names the minute: its group, so that a clock that died holds up that minute only. Nobody
listening means no message and no clock. The clock is given: nothing here reads it. It may be put back meanwhile: the beats go
on from there, in another minute where need be.

Called by `functions/feed_beat`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass

from exchange.feed.bodies import encode_beat

BATCH_S = 5
# So long the clock goes on while nobody listens: a subscription that started it may take that long to arrive.
GRACE_S = 10
# A start is not repeated within as many seconds, which must be no more than the grace.
SLOT_S = 5


@dataclass(frozen=True, slots=True)
class Start:
    """A message of the beat queue: run the clock of this minute."""

    group: str
    dedup_id: str
    body: str

    @classmethod
    def at(cls, now_ms: int) -> "Start":
        second = now_ms // 1000
        return cls(group=f"minute:{second // 60}", dedup_id=f"start:{second // SLOT_S}",
                   body=json.dumps({"minute": second // 60}))


class Beater:
    """`listening() -> {market: channels}`; `send(market, dedup_id, body)` to the feed queue; `start_next(now_ms)`: a message
    for the next minute to the beat queue."""

    def __init__(self, *, listening: Callable[[], dict[str, frozenset[str]]], send: Callable[[str, str, str], None],
                 start_next: Callable[[int], None], now_ms: Callable[[], int], sleep_s: Callable[[float], None]) -> None:
        self._listening = listening
        self._send = send
        self._start_next = start_next
        self._now_ms = now_ms
        self._sleep_s = sleep_s

    def run_minute(self, minute: int, time_left_s: Callable[[], float] = lambda: 3600) -> int:
        """Beats until the minute is over, time is up or nobody has listened for a while; how many beats there were. Hands over
        to the next minute before it ends."""
        end_s = (minute + 1) * 60
        if self._now_ms() // 1000 >= end_s:
            return 0  # came late, or behind the clock that ran this minute
        heard_s = self._now_ms() // 1000
        beats, last_s = 0, -1
        # A minute's start may come a little before it.
        while (minute - 1) * 60_000 <= (now_ms := self._now_ms()) < end_s * 1000 and time_left_s() > 3:
            second = now_ms // 1000
            if second != last_s:
                last_s = second
                sent = self._beat(second)
                beats += sent
                if sent:
                    heard_s = second
                elif second - heard_s >= GRACE_S:
                    return beats
            self._sleep_s(min(1.0, max(0.01, (second + 1) - self._now_ms() / 1000)))
        if self._listening():
            self._start_next(max(now_ms, end_s * 1000) if now_ms >= (minute - 1) * 60_000 else now_ms)
        return beats

    def _beat(self, second: int) -> int:
        listening = self._listening()
        batch = second % BATCH_S == 0
        sent = 0
        for market, channels in listening.items():
            if "heartbeat" in channels or batch:
                self._send(market, f"beat:{market}:{second}", encode_beat(market, second * 1000, batch=batch))
            sent += 1
        return sent
