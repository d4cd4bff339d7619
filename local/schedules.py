"""EventBridge schedule expressions, and the clock that calls functions by them.

`rate(5 minutes)` counts from the start of the runtime; `cron(minute hour day-of-month month day-of-week year)` is UTC, with
`*`, `?`, lists, ranges, steps and names. `L`, `W` and `#` are refused: no schedule here uses them.
"""

import asyncio
import os
import re
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from local.addresses import ACCOUNT, REGION
from local.invoker import InvocationFailed, Invoker, Overloaded
from local.plan import SchedulePlan

LOOK_EVERY_S = 60
_RATE = re.compile(r"^rate\((\d+) (minute|hour|day)s?\)$")
_CRON = re.compile(r"^cron\(([^)]*)\)$")
_UNIT_S = {"minute": 60, "hour": 3600, "day": 86400}
_MONTHS = {"JAN": 1, "FEB": 2, "MAR": 3, "APR": 4, "MAY": 5, "JUN": 6, "JUL": 7, "AUG": 8, "SEP": 9, "OCT": 10, "NOV": 11,
           "DEC": 12}
_DAYS = {"SUN": 1, "MON": 2, "TUE": 3, "WED": 4, "THU": 5, "FRI": 6, "SAT": 7}


class BadSchedule(ValueError):
    """The expression is not one that EventBridge takes, or uses a part that is not supported here."""


@dataclass(frozen=True)
class Rate:
    """Every `period_s` seconds."""

    period_s: int

    def next_after(self, at: datetime) -> datetime:
        return at + timedelta(seconds=self.period_s)


@dataclass(frozen=True)
class Cron:
    """Sets of the minutes, hours ... at which it fires, in UTC; weekdays from 1 = Sunday."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int] | None
    months: frozenset[int]
    weekdays: frozenset[int] | None
    years: frozenset[int]

    def next_after(self, at: datetime) -> datetime:
        """The first time strictly after `at`; raises BadSchedule when there is none within the years."""
        moment = at.replace(second=0, microsecond=0) + timedelta(minutes=1)
        while moment.year <= max(self.years):
            if moment.year not in self.years or moment.month not in self.months or not self._day(moment):
                moment = moment.replace(hour=0, minute=0) + timedelta(days=1)
            elif moment.hour not in self.hours:
                moment = moment.replace(minute=0) + timedelta(hours=1)
            elif moment.minute not in self.minutes:
                moment += timedelta(minutes=1)
            else:
                return moment
        raise BadSchedule("the schedule never fires again")

    def _day(self, moment: datetime) -> bool:
        if self.days is not None:
            return moment.day in self.days
        return moment.isoweekday() % 7 + 1 in self.weekdays


def parse(expression: str) -> Rate | Cron:
    """A schedule; raises BadSchedule."""
    match = _RATE.match(expression)
    if match:
        if int(match[1]) < 1:
            raise BadSchedule(f"{expression}: the rate must be at least 1")
        return Rate(int(match[1]) * _UNIT_S[match[2]])
    match = _CRON.match(expression)
    if not match or len(match[1].split()) != 6:
        raise BadSchedule(f"{expression!r} is neither rate(...) nor cron(...) with six fields")
    minute, hour, day, month, weekday, year = match[1].split()
    if (day == "?") == (weekday == "?"):
        raise BadSchedule(f"{expression}: exactly one of day-of-month and day-of-week must be ?")
    return Cron(
        minutes=_field(minute, 0, 59), hours=_field(hour, 0, 23), days=None if day == "?" else _field(day, 1, 31),
        months=_field(month, 1, 12, _MONTHS), weekdays=None if weekday == "?" else _field(weekday, 1, 7, _DAYS),
        years=_field(year, 1970, 2199))


def _field(text: str, low: int, high: int, names: dict[str, int] | None = None) -> frozenset[int]:
    values: set[int] = set()
    for part in text.upper().split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        try:
            start = low if first == "*" else _number(first, names)
            end = high if first == "*" or (step and not last) else _number(last or first, names)
            every = int(step) if step else 1
        except ValueError:
            raise BadSchedule(f"{text!r}: {part!r} is not supported") from None
        if not low <= start <= end <= high or every < 1:
            raise BadSchedule(f"{text!r} is not within {low}..{high}")
        values.update(range(start, end + 1, every))
    return frozenset(values)


def _number(text: str, names: dict[str, int] | None) -> int:
    return names[text] if names and text in names else int(text)


class Schedules:
    """Calls each scheduled function at its times, never twice at once: one that is still running skips its turn. The clock is
    looked at again and again: it may be put right, and the machine may sleep, while a time is waited for."""

    def __init__(self, plans: list[SchedulePlan], invoker: Invoker, *, now: Callable[[], datetime] = lambda: datetime.now(UTC),
                 sleep: Callable[[float], Awaitable[object]] = asyncio.sleep) -> None:
        self._entries = [(plan, parse(plan.expression)) for plan in plans]
        self._invoker = invoker
        self._now = now
        self._sleep = sleep

    async def run(self) -> None:
        await asyncio.gather(*(self._run_one(plan, schedule) for plan, schedule in self._entries))

    async def _run_one(self, plan: SchedulePlan, schedule: Rate | Cron) -> None:
        due = self._now()
        while True:
            due = schedule.next_after(due)
            if due < self._now():  # the last call took longer than the period
                due = schedule.next_after(self._now())
            while (wait_s := (due - self._now()).total_seconds()) > 0:
                await self._sleep(min(wait_s, LOOK_EVERY_S))
                due = min(due, schedule.next_after(self._now()))  # earlier, where the clock was put back
            try:
                await self._invoker.invoke(plan.function, plan.payload or _event(plan, due))
            except (InvocationFailed, Overloaded) as error:
                print(f"schedule {plan.name}: {error}", file=sys.stderr, flush=True)


def _event(plan: SchedulePlan, at: datetime) -> dict[str, Any]:
    return {"version": "0", "id": os.urandom(16).hex(), "detail-type": "Scheduled Event", "source": "aws.events",
            "account": ACCOUNT, "region": REGION, "time": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "resources": [f"arn:aws:events:{REGION}:{ACCOUNT}:rule/{plan.name}"], "detail": {}}
