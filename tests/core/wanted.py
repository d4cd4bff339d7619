"""The rare states that the generated streams must come to, in all: every line of the rules, from the first to the last.

The names are those that tests/core/reach.py, refusals.py and duel.py give. A new rule adds its own.
"""

from matching_core.records import Stp, TimeInForce
from tests.core.known import MODES, SIDES

_LIMITS = tuple(f"LIMIT {time.name}" for time in TimeInForce)
_SIZED = ("by size", "by funds")
_STOPS = (*(f"STOP_LIMIT {time}, {way}" for time in ("GTC", "GTT", "IOC") for way in ("loss", "entry")),
          *(f"STOP_MARKET {sized}, {way}" for sized in _SIZED for way in ("loss", "entry")))
_TYPES = (*_LIMITS, *(f"MARKET {sized}" for sized in _SIZED), *_STOPS)

WANTED = (
    # PLACE, AMEND, CANCEL: every reason to refuse them, each part of it alone
    *(f"malformed: {name}" for name in (
        "side", "order type", "time in force", "stp", "flags", "collar", "nil id", "no account", "negative price",
        "negative size", "negative funds", "negative stop price", "negative display", "negative expire_at",
        "negative issued_at", "market with neither size nor funds", "market with size and funds", "market post-only",
        "market with display", "limit without price", "limit without size", "limit with funds", "post-only with IOC or FOK",
        "display with IOC or FOK", "GTT without an end", "GTC with an end", "stop price without a stop",
        "entry without a stop", "stop without a stop price", "stop post-only", "stop-limit FOK", "amend: nil id",
        "amend: negative price", "amend: negative size", "amend: negative issued_at", "amend: nothing to change",
        "amend: collar", "cancel: nil id", "unknown kind")),
    *(f"PLACE rejected {name}" for name in (
        "EXPIRED: stale", "EXPIRED: its end is past", "DUPLICATE_ORDER_ID: rests", "DUPLICATE_ORDER_ID: of a stop",
        "DUPLICATE_ORDER_ID: of a due order", "MARKET_HALTED: HALTED", "MARKET_HALTED: UNCROSSING", "MARKET_HALTED: AUCTION",
        "OUTSIDE_BAND: side 1", "OUTSIDE_BAND: side 2", "OVERFLOW: size_lots", "OVERFLOW: funds", "OVERFLOW: price_ticks",
        "OVERFLOW: stop_price_ticks", "OVERFLOW: price x size", "OVERFLOW: level", "OVERFLOW: level with hidden lots",
        "OVERFLOW: stops at one price",
        "POST_ONLY_WOULD_CROSS: an own order", "POST_ONLY_WOULD_CROSS: a due order", "POST_ONLY_WOULD_CROSS: another's order",
        "POST_ONLY_WOULD_CROSS: in AUCTION", "FOK_NOT_FILLABLE: too many makers", "FOK_NOT_FILLABLE: too many slices",
        "FOK_NOT_FILLABLE: own order in the way", "FOK_NOT_FILLABLE: too few lots")),
    *(f"FOK fills: {name}" for name in ("a due maker", "own order with co", "at exactly MAX_FILLS", "by hidden lots",
                                        "beyond a level with hidden lots")),
    *(f"AMEND rejected {name}" for name in (
        "EXPIRED: stale", "UNKNOWN_ORDER: no such order", "UNKNOWN_ORDER: another account's", "UNKNOWN_ORDER: due",
        "UNKNOWN_ORDER: a due stop", "STOP_WAITING: waits", "MARKET_HALTED: HALTED", "MARKET_HALTED: UNCROSSING",
        "OUTSIDE_BAND: side 1", "OUTSIDE_BAND: side 2", "OVERFLOW: size", "OVERFLOW: price", "OVERFLOW: level",
        "OVERFLOW: price x size", "POST_ONLY_WOULD_CROSS: an own order", "POST_ONLY_WOULD_CROSS: another's order")),
    "CANCEL rejected UNKNOWN_ORDER: no such order", "CANCEL rejected UNKNOWN_ORDER: another account's",
    # what is accepted, and how it goes on
    *(f"accepted {side} {kind}" for side in SIDES.values() for kind in _TYPES),
    *(f"triggered {side} {kind}" for side in SIDES.values() for kind in _STOPS),
    "display of the whole size makes a plain order", "iceberg accepted", "the id of an order that is gone is used again",
    "stop placed in AUCTION", "stop placed in AUCTION triggered", "order rests in AUCTION",
    "order rests across the touch in AUCTION", "deadline of LIMIT", "deadline of MARKET", "deadline of STOP_LIMIT",
    "deadline of STOP_MARKET", "limit at the edge of its band", "stop is met when it is placed", "level full to the last lot",
    *(f"{way} rests{after}" for way in ("PLACE", "AMEND", "TRIGGERED") for after in ("", " after trades")),
    *(f"{way} trades" for way in ("PLACE", "AMEND", "TRIGGERED")),
    *(f"{way} meets its own account" for way in ("PLACE", "AMEND", "TRIGGERED")),
    *(f"{way} done {reason}" for way, reasons in {
        "PLACE": ("FILLED", "IOC_REMAINDER", "NO_LIQUIDITY", "SELF_TRADE", "FILL_LIMIT"),
        "AMEND": ("FILLED", "SELF_TRADE", "FILL_LIMIT"),
        "TRIGGERED": ("FILLED", "IOC_REMAINDER", "NO_LIQUIDITY", "SELF_TRADE", "FILL_LIMIT", "LEVEL_FULL")}.items()
      for reason in reasons),
    *(f"resting done {reason}" for reason in ("FILLED", "CANCELED", "SELF_TRADE", "EXPIRED")),
    "waiting done CANCELED", "waiting done EXPIRED", "by funds, filled with a rest", "taker walked five levels",
    # meeting the front maker
    *(f"due maker met by a {way}" for way in ("PLACE", "AMEND")),
    "due iceberg met by a taker", "own due order met by a taker",
    *(f"self trade {Stp(stp).name}: taker {size}" for stp in Stp for size in ("larger", "as large", "smaller")
      if stp in (Stp.CANCEL_OLDEST, Stp.CANCEL_BOTH) or (stp == Stp.DECREASE_AND_CANCEL and size != "smaller")),
    *(f"dc: {who} larger, taker {sized}" for who in ("maker", "taker") for sized in _SIZED),
    "dc takes hidden lots first", "dc takes hidden lots, then visible ones", "self trade takes an iceberg off",
    "iceberg refreshed", "iceberg refreshed twice in one command", "iceberg refreshed behind others", "met an iceberg by funds",
    "iceberg shows its last lots", "iceberg shows less than its display", "iceberg filled after its last refresh",
    "iceberg trades as a taker", "iceberg rests with less than it displays", "triggered iceberg rests", "GTT trades as a taker",
    # market orders and their collar
    *(f"collar stopped a {side} {sized}" for side in SIDES.values() for sized in _SIZED),
    "collar stopped a triggered order", "collar tighter than the worst price", "worst price tighter than the collar",
    "collar of 100 % on a sell is none",
    # background
    *(f"expired in the background in {mode}" for mode in MODES), "iceberg expired",
    "aged anew, expired among others of its end",
    "empty batch with an order that is due",
    "background limit reached by expiry", "background limit reached by stops", "background limit reached by uncross",
    "background limit reached by expiry and stops", "background does all there is: expiry, uncross, stops",
    # stops
    "trigger range wider than the last price: loss", "trigger range wider than the last price: entry", "stop cascade of three",
    "stop cascade of ten", "ten stops triggered by one command", "entry stop triggered behind a loss stop",
    "two stops of one price are met", "triggered before the command's own work", "triggered by a RESUME",
    "triggered after an uncross", "expiry, then a trigger in one background", "a stop that is met waits for the market to open",
    "one trigger touched more than the background may", "level full only because of hidden lots",
    "stop-limit IOC does not mind a full level", "stop-limit IOC traded",
    # CANCEL, CANCEL_ALL
    *(f"{kind} takes off in {mode}" for kind in ("CANCEL", "CANCEL_ALL") for mode in MODES),
    "cancel of an order that is due", "cancel takes an iceberg off with all its lots",
    *(f"CANCEL_ALL of {whose}{what}" for whose in ("own", "everybody's") for what in (": some", ": none", " leaves some")),
    "CANCEL_ALL takes orders and stops", "CANCEL_ALL takes bids and asks",
    # AMEND
    "AMEND takes off in OPEN", "AMEND takes off in AUCTION", "amend to less than it traded", "amend to what it traded",
    "amend kept its place", "amend to the same size", "amend took hidden lots", "amend took all hidden lots, and visible",
    "amend with the same price given", "amend lost its place: new price", "amend lost its place: larger",
    "amend to a new price and smaller", "amend of a post-only order", "amend of a GTT order", "amend by an operator",
    "amend of the size after trades", "amend fits because its own lots do not count", "amended order crossed and filled",
    "amended iceberg shows its display again", "amended in AUCTION",
    # HALT, AUCTION, RESUME, UNCROSS
    *(f"{kind} in {mode}" for kind in ("HALT", "AUCTION") for mode in MODES),
    *(f"{kind} in {mode}, {what}" for kind in ("RESUME", "UNCROSS") for mode in MODES for what in ("crossed", "uncrossed")
      if (mode, what) != ("OPEN", "crossed")),
    "crossed book halted", "crossed book collects again", "resumed with an auction price",
    "uncross finished in the background of another command", "uncross finished in the background of its command",
    *(f"due {side} met in uncross" for side in ("bid", "ask")),
    *(f"auction price is {how}" for how in ("the last price", "the last price clamped up", "the last price clamped down",
                                            "the middle", "the middle, rounded down")),
    "auction price changed during an uncross",
    "uncrossed, but the last step is left over",
    *(f"self trade in uncross: the younger is a {side}" for side in ("bid", "ask")), "self trade in uncross of an iceberg",
    *(f"uncross: the maker is a {side}" for side in ("bid", "ask")), "filled in uncross", "uncross at one price",
    "iceberg refreshed in uncross: maker", "iceberg refreshed in uncross: taker", "both icebergs refreshed in uncross",
    "indicative volume beyond 62 bits",
    # levels, snapshots, room, growth
    "level went and came back in one batch", "level changed in a batch and ended as before", "level emptied", "book emptied",
    "100 levels on a side", "30 orders on a level", "30 stops on a level", "two prices share a near slot", "empty batch",
    *(f"snapshot in {mode}" for mode in MODES), *(f"snapshot in {mode}, crossed" for mode in MODES[1:]),
    "snapshot with orders due", "snapshot with a wide trigger range",
    *(f"restored {core} in {mode}" for core in ("fast", "naive") for mode in MODES),
    "events full", "events fit exactly", "events full by one record",
    *(f"taken back: {what}" for what in (
        "rest", "trade", "refresh", "uncross", "waiting stop", "reduction", "trigger", "amend in place", "amend", "halt",
        "resume", "auction", "order FILLED", "order CANCELED", "order SELF_TRADE", "order EXPIRED", "stop CANCELED",
        "stop EXPIRED")),
    "events full during a cascade", "events full during an uncross", "events full at an iceberg refresh",
    "events full within an amend", "events full within a CANCEL_ALL", "events full by a LEVEL",
    "book grew", "book grew while events were full", "1,200 events of one command",
)
