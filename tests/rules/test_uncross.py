"""The end of an auction that has much to trade goes on with later commands, a bounded share with each; no order comes between.

RESUME and UNCROSS take MAX_UNCROSS steps; every command takes what comes in the background, MAX_BACKGROUND steps. A step is a
trade, an order that is due, or an account that meets itself.
"""

from matching_core import MAX_BACKGROUND, MAX_UNCROSS
from matching_core.records import EventKind, Mode
from tests.rules.tables import only, read, run, show, told


def _crossed(book, count: int) -> None:
    """So many pairs at 100, all of one lot."""
    run(book, "auction", *(f"b{number} bob buys 1 at 100" for number in range(count)),
        *(f"s{number} alice sells 1 at 100" for number in range(count)))


def _trades(lines: list[str]) -> int:
    return sum("paired" in line for line in lines)


def test_its_own_command_takes_200_steps_and_the_background_50_more(book) -> None:
    _crossed(book, 600)
    lines = told(run(book, "resume"))
    assert _trades(lines) == MAX_UNCROSS + MAX_BACKGROUND
    assert lines[-1] == "s249 filled"
    assert book.mode == Mode.UNCROSSING
    assert book.work_waits
    assert show(book)[0].startswith("b250 1@100"), "the rest is still crossed"


def test_it_goes_on_with_any_command(book) -> None:
    _crossed(book, 310)
    run(book, "resume")
    lines = told(run(book, "b900 carol buys 5 at 100"))
    assert (_trades(lines), lines[-1]) == (50, "rejected market-halted")
    lines = told(run(book, "b900 carol buys 5 at 100"))
    assert (_trades(lines), lines[-2:]) == (10, ["resumed at 100", "b900 opened 5"])
    assert book.mode == Mode.OPEN


def test_each_command_of_a_batch_takes_it_on(book) -> None:
    _crossed(book, 360)
    run(book, "resume")
    events = read(run(book, "tick", "cancel b999", "tick"))
    assert [event.command_index for event in events if event.kind == EventKind.TRADE] == [0] * 50 + [1] * 50 + [2] * 10
    assert [event.price_ticks for event in events if event.kind == EventKind.RESUMED] == [100]
    assert only(run(book, "resume"), EventKind.RESUMED).price_ticks == 0, "a later one has no price"


def test_resume_and_uncross_take_200_steps_each_time(book) -> None:
    _crossed(book, 900)
    run(book, "resume")
    assert _trades(told(run(book, "uncross"))) == 50 + 200
    assert _trades(told(run(book, "resume"))) == 50 + 200
    lines = told(run(book, "resume"))
    assert (_trades(lines), lines[-1]) == (150, "resumed at 100")


def test_exactly_200_steps(book) -> None:
    """The last step finds the book no longer crossed: it is one of the background's."""
    _crossed(book, 200)
    lines = told(run(book, "resume"))
    assert (_trades(lines), lines[-1], book.mode) == (200, "resumed at 100", Mode.OPEN)


def test_a_resume_that_finds_the_rest_uncrossed_says_the_price(book) -> None:
    _crossed(book, 251)
    run(book, "resume")
    assert book.mode == Mode.UNCROSSING
    assert told(run(book, "cancel b250")) == ["s250 paired 1 at 100 with b250", "b250 filled", "s250 filled",
                                              "resumed at 100", "rejected unknown-order"]


def test_while_it_trades_the_market_takes_no_orders(book) -> None:
    _crossed(book, 400)
    run(book, "resume")
    assert book.mode == Mode.UNCROSSING
    for command in ("b900 carol buys 5 at 1", "b900 carol buys 5 market stop-loss 9"):
        assert told(run(book, command))[-1] == "rejected market-halted"


def test_amends_are_refused_and_cancels_are_not_while_it_trades(book) -> None:
    _crossed(book, 500)
    run(book, "resume")
    assert told(run(book, "amend b499 by bob to 2"))[-1] == "rejected market-halted"
    assert told(run(book, "cancel b499 by bob"))[-1] == "b499 canceled 1"
    assert told(run(book, "cancel-all by alice"))[-1] == "s499 canceled 1"
    assert told(run(book, "tick")) == ["resumed at 100"], "it is no longer crossed"


def test_halted_while_it_trades(book) -> None:
    _crossed(book, 400)
    run(book, "resume")
    lines = told(run(book, "halt"))
    assert (_trades(lines), lines[-1], book.mode) == (50, "halted", Mode.HALTED)
    assert not book.work_waits
    assert told(run(book, "tick")) == [], "nothing trades"
    assert show(book)[0].startswith("b300 1@100")
    lines = told(run(book, "resume"))
    assert (_trades(lines), lines[-1]) == (100, "resumed at 100")


def test_collecting_again_while_it_trades(book) -> None:
    """The price of before is forgotten, though the best orders could still trade at it."""
    _crossed(book, 400)
    run(book, "resume")
    assert told(run(book, "auction"))[-1] == "collecting"
    run(book, "b900 carol buys 200 at 120", "s900 dave sells 200 at 110")
    assert book.indicative() == (110, 200)
    lines = told(run(book, "resume"))
    assert lines[0] == "b900 paired 1 at 110 with s300"
    assert lines[-1] == "resumed at 110"


def test_stops_wait_until_it_is_over(book) -> None:
    run(book, "x1 carol buys 1 market stop-entry 100")
    _crossed(book, 260)
    assert not any("triggered" in line for line in told(run(book, "resume")))
    lines = told(run(book, "tick"))
    assert lines[-3:] == ["resumed at 100", "x1 triggered at 100", "x1 no-liquidity 1"]


def test_a_due_order_among_those_that_are_left_expires_as_a_step(book) -> None:
    run(book, "auction", *(f"b{number} bob buys 1 at 100 gtt until 50" for number in range(60)),
        *(f"s{number} alice sells 1 at 100 gtt until 50" for number in range(60)))
    lines = told(run(book, "resume", after_ms=50))
    assert lines == [f"b{number} expired 1" for number in range(60)] + ["resumed"]
