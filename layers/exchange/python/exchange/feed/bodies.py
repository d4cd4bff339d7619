"""The bodies of the feed queue's own messages, beside the nudges; group = market.

    {"market": "BTC-USD", "subscription": {"connection", "version", "channels", "requested", "user_id", ...}}
    {"market": "BTC-USD", "drop": {"connection"}}, with {"account", "user_id", "cancel"} where its orders end with it
    {"market": "BTC-USD", "resync": {"connection"}}
    {"market": "BTC-USD", "rebuild": {"epoch"}}
    {"market": "BTC-USD", "beat": {"at_ms", "batch"}}
    {"market": "BTC-USD", "status": {"of"}}: to the market that tells the status of all

A subscription is a message in the market's feed queue, so that the publisher takes it up between two entries: it sends
what stands at its cursor and adds the connection, and so nothing is missed or seen twice (I9). It carries the whole new
set of the connection's channels in that market, and a version: the one with the highest version wins, in whatever order
two messages of one client were handled.
"""

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subscription:
    """`channels`: all the connection has in the market now; `requested`: those asked for just now, which are greeted
    again. `account` 0 with a `user_id`: signed in by a token, the publisher looks the account up."""

    market: str
    connection: str
    version: int
    channels: frozenset[str]
    requested: frozenset[str] = frozenset()
    account: int = 0
    user_id: str = ""
    profile_id: str = ""

    def encode(self) -> str:
        return json.dumps({"market": self.market, "subscription": {
            "connection": self.connection, "version": self.version, "channels": sorted(self.channels),
            "requested": sorted(self.requested), "account": self.account, "user_id": self.user_id,
            "profile_id": self.profile_id}}, separators=(",", ":"))

    @classmethod
    def decode(cls, body: dict) -> "Subscription":
        """KeyError, TypeError or ValueError where it is none."""
        fields = dict(body["subscription"])
        fields["channels"] = frozenset(fields["channels"])
        fields["requested"] = frozenset(fields["requested"])
        return cls(market=body["market"], **fields)


def encode_beat(market: str, at_ms: int, *, batch: bool) -> str:
    """It is `at_ms` now; with `batch`, what goes out every few seconds is due as well."""
    return json.dumps({"market": market, "beat": {"at_ms": at_ms, "batch": batch}}, separators=(",", ":"))


def encode_status(market: str, of: str) -> str:
    """The status of the market `of` has changed. A word to be quick: lost, the next beat of the clock tells what it is."""
    return json.dumps({"market": market, "status": {"of": of}}, separators=(",", ":"))


def encode_rebuild(market: str, epoch: str) -> str:
    """Forget the market's views and make them anew from the journal; they are called `epoch` then, never used before."""
    return json.dumps({"market": market, "rebuild": {"epoch": epoch}}, separators=(",", ":"))


def encode_resync(market: str, connection: str) -> str:
    """The connection was too slow for updates that it should have had: send it the newest state."""
    return json.dumps({"market": market, "resync": {"connection": connection}}, separators=(",", ":"))


def encode_drop(market: str, connection: str, *, account: int = 0, user_id: str = "", cancel: bool = False) -> str:
    """The connection is gone: forget it in this market. With `cancel`, and cancel the account's orders there; account 0 with a
    `user_id` as in a Subscription."""
    who = {"account": account, "user_id": user_id, "cancel": True} if cancel else {}
    return json.dumps({"market": market, "drop": {"connection": connection, **who}}, separators=(",", ":"))
