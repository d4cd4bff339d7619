"""Models of the feed's `full` messages, as `GET /products/{product_id}/events` answers them; docs/FEED.md says what they mean.

What is only told of some orders has a default here: of a stop order that waits the public learns the id alone.
"""

from typing import Literal
from uuid import UUID

from openapi.models import Answer, Money, Side, Time


class Event(Answer):
    product_id: str
    sequence: int
    time: Time


class Asked(Event):
    order_id: UUID
    side: Side = "buy"
    order_type: Literal["limit", "market"] = "limit"
    size: Money = ""
    price: Money = ""
    funds: Money = ""
    client_oid: UUID = None
    duplicate: bool = False


class Received(Asked):
    type: Literal["received"]


class Activate(Asked):
    type: Literal["activate"]


class Open(Event):
    type: Literal["open"]
    order_id: UUID
    side: Side
    price: Money
    remaining_size: Money


class Match(Event):
    type: Literal["match"]
    trade_id: int
    maker_order_id: UUID
    taker_order_id: UUID
    side: Side
    size: Money
    price: Money
    auction: bool = False


class Done(Event):
    type: Literal["done"]
    order_id: UUID
    reason: Literal["filled", "canceled"]
    side: Side = "buy"
    price: Money = ""
    remaining_size: Money = ""
    cancel_reason: str = ""
    reject_reason: str = ""


class Change(Event):
    type: Literal["change"]
    order_id: UUID
    reason: Literal["STP", "modify_order"]
    side: Side
    price: Money = ""
    old_size: Money = ""
    new_size: Money = ""
    old_funds: Money = ""
    new_funds: Money = ""
    old_price: Money = ""
    new_price: Money = ""


class Events(Answer):
    product_id: str
    sequence: int
    events: list[Received | Activate | Open | Match | Done | Change]
