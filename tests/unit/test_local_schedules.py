"""EventBridge's schedule expressions."""

from datetime import UTC, datetime

import pytest

from local.schedules import BadSchedule, parse


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(("expression", "now", "expected"), [
    ("rate(1 minute)", "2026-01-01T00:00:30", "2026-01-01T00:01:30"),
    ("rate(5 minutes)", "2026-01-01T00:00:00", "2026-01-01T00:05:00"),
    ("rate(2 hours)", "2026-01-01T23:00:00", "2026-01-02T01:00:00"),
    ("rate(1 day)", "2026-02-28T12:00:00", "2026-03-01T12:00:00"),
    ("cron(* * * * ? *)", "2026-01-01T00:00:59", "2026-01-01T00:01:00"),
    ("cron(0 0 * * ? *)", "2026-01-01T00:00:00", "2026-01-02T00:00:00"),
    ("cron(0/15 * * * ? *)", "2026-01-01T00:46:00", "2026-01-01T01:00:00"),
    ("cron(5,35 8-10 * * ? *)", "2026-01-01T10:35:00", "2026-01-02T08:05:00"),
    ("cron(0 9 ? * MON-FRI *)", "2026-01-02T10:00:00", "2026-01-05T09:00:00"),
    ("cron(0 9 ? * 1 *)", "2026-01-01T00:00:00", "2026-01-04T09:00:00"),
    ("cron(0 0 31 * ? *)", "2026-01-31T00:00:00", "2026-03-31T00:00:00"),
    ("cron(0 0 29 FEB ? *)", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
    ("cron(59 23 31 12 ? 2026)", "2026-01-01T00:00:00", "2026-12-31T23:59:00")])
def test_next_time(expression: str, now: str, expected: str) -> None:
    assert parse(expression).next_after(at(now)) == at(expected)


@pytest.mark.parametrize("expression", [
    "rate(0 minutes)", "rate(5 seconds)", "rate(minute)", "every minute", "cron(* * * * *)", "cron(* * * * * *)",
    "cron(* * ? * ? *)", "cron(60 * * * ? *)", "cron(0 24 * * ? *)", "cron(0 0 L * ? *)", "cron(0 0 ? * 2#1 *)",
    "cron(0/0 * * * ? *)", "cron(x * * * ? *)", "cron(5-1 * * * ? *)"])
def test_what_is_not_supported_is_refused(expression: str) -> None:
    with pytest.raises(BadSchedule):
        parse(expression)


def test_a_schedule_in_the_past_says_so() -> None:
    with pytest.raises(BadSchedule, match="never fires again"):
        parse("cron(0 0 1 1 ? 2020)").next_after(at("2026-01-01T00:00:00"))
