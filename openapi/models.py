"""Models of market data, orders and accounts. Answers are closed: a field that is not here, or missing,
fails the contract tests.

Money, prices and sizes are decimal strings. What may be absent has a default here and is left out, never null.
"""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

Money = Annotated[str, Field(pattern=r"^-?\d+(\.\d{1,8})?$", examples=["100.00"])]
Number = Annotated[str | float, Field(description="decimal text or a JSON number; both are parsed exactly")]
Time = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$")]
AnyTime = Annotated[str, Field(description="ISO 8601; UTC where no zone is given", examples=["2030-01-01T00:00:00Z"])]
Side = Literal["buy", "sell"]


class Answer(BaseModel):
    """What an operation answers."""

    model_config = ConfigDict(extra="forbid")


class Body(BaseModel):
    """What an operation takes; fields that are not named are ignored."""


class Error(Answer):
    message: str
    code: str
    request_id: str


class ServerTime(Answer):
    iso: Time
    epoch: float


class CurrencyDetails(Answer):
    type: Literal["fiat", "crypto"]
    display_name: str
    sort_order: int
    push_payment_methods: list[str]


class Currency(Answer):
    id: str
    name: str
    display_name: str
    min_size: Money
    max_precision: Money
    status: str
    message: str
    convertible_to: list[str]
    supported_networks: list[Any]
    details: CurrencyDetails


class Product(Answer):
    id: str
    base_currency: str
    quote_currency: str
    base_increment: Money
    quote_increment: Money
    min_market_funds: Money
    display_name: str
    status: str
    status_message: str
    trading_disabled: bool
    post_only: bool
    limit_only: bool
    cancel_only: bool
    auction_mode: bool
    margin_enabled: bool
    fx_stablecoin: bool
    max_slippage_percentage: Money
    high_bid_limit_percentage: Money


# Price, size, and how many orders or, at level 3, the order's id.
BookRow = Annotated[list[Money | int | UUID], Field(min_length=3, max_length=3)]


class Book(Answer):
    bids: list[BookRow]
    asks: list[BookRow]
    sequence: int
    auction_mode: bool
    time: Time


class Ticker(Answer):
    volume: Money
    trade_id: int = 0
    price: Money = ""
    size: Money = ""
    side: Side = "buy"
    time: Time = ""
    bid: Money = ""
    ask: Money = ""


class Trade(Answer):
    trade_id: int
    side: Side
    size: Money
    price: Money
    time: Time


class Statistics(Answer):
    volume: Money
    volume_30day: Money
    open: Money = ""
    high: Money = ""
    low: Money = ""
    last: Money = ""


class Volumes(Answer):
    id: str
    base_currency: str
    quote_currency: str
    display_name: str
    market_types: list[str]
    spot_volume_24hour: Money
    spot_volume_30day: Money
    rfq_volume_24hour: Money
    rfq_volume_30day: Money
    conversion_volume_24hour: Money
    conversion_volume_30day: Money


class Order(Answer):
    id: UUID
    product_id: str
    profile_id: UUID
    side: Side
    type: Literal["limit", "market"]
    stp: Literal["dc", "co", "cn", "cb"]
    time_in_force: Literal["GTC", "GTT", "IOC", "FOK"]
    post_only: bool
    created_at: Time
    fill_fees: Money
    filled_size: Money
    executed_value: Money
    status: Literal["pending", "open", "active", "done", "rejected"]
    settled: bool
    market_type: Literal["spot"]
    price: Money = ""
    size: Money = ""
    funds: Money = ""
    specified_funds: Money = ""
    stop: Literal["loss", "entry"] = "loss"
    stop_price: Money = ""
    display_size: Money = ""
    max_floor: Money = ""
    expire_time: Time = ""
    client_oid: UUID = None
    done_at: Time = ""
    done_reason: Literal["filled", "canceled", "rejected"] = "filled"
    reject_reason: str = ""


class AmendedOrder(Order):
    new_price: Money = ""
    new_size: Money = ""


class Refusal(Answer):
    message: str
    code: str


class BatchAnswer(Answer):
    cancels: list[UUID | Refusal]
    orders: list[Order | Refusal]


class Switch(Answer):
    timeout_s: int
    cancel_at: Time = ""


class Fill(Answer):
    trade_id: int
    product_id: str
    order_id: UUID
    user_id: str
    profile_id: UUID
    liquidity: Literal["M", "T"]
    price: Money
    size: Money
    fee: Money
    side: Side
    settled: bool
    created_at: Time
    usd_volume: Money = ""


class Account(Answer):
    id: UUID
    currency: str
    balance: Money
    available: Money
    hold: Money
    profile_id: UUID
    trading_enabled: bool


class LedgerRow(Answer):
    id: str
    amount: Money
    balance: Money
    created_at: Time
    type: Literal["match", "fee", "transfer"]
    details: dict[str, str]


class Hold(Answer):
    id: UUID
    created_at: Time
    updated_at: Time
    type: Literal["order", "transfer"]
    ref: UUID
    amount: Money


class Fees(Answer):
    maker_fee_rate: Money
    taker_fee_rate: Money
    usd_volume: Money


class Profile(Answer):
    id: UUID
    user_id: str
    name: str
    active: bool
    is_default: bool
    has_margin: bool
    created_at: Time


class User(Answer):
    id: str
    user_id: str
    profile_id: UUID
    scopes: list[str]


class TrailingVolume(Answer):
    product_id: str
    exchange_volume: Money
    volume: Money
    recorded_at: Time


class NewOrder(Body):
    product_id: str = Field(examples=["BTC-USD"])
    side: Side
    type: Literal["limit", "market", "stop"] = "limit"
    price: Number = None
    size: Number = None
    funds: Number = None
    time_in_force: Literal["GTC", "GTT", "IOC", "FOK"] = "GTC"
    cancel_after: Literal["min", "hour", "day"] = None
    expire_time: AnyTime = None
    post_only: bool = False
    stop: Literal["loss", "entry"] = None
    stop_price: Number = None
    stop_limit_price: Number = None
    display_size: Number = None
    max_floor: Number = None
    stp: Literal["dc", "co", "cn", "cb"] = "dc"
    client_oid: UUID = None
    deadline: AnyTime = None


class Amend(Body):
    price: Number = None
    size: Number = None
    deadline: AnyTime = None


class Batch(Body):
    product_id: str = Field(default=None, description="of the orders that name none", examples=["BTC-USD"])
    cancels: list[str] = Field(default=[], max_length=50, description="ids, or `client:` and a client_oid")
    orders: list[NewOrder] = Field(default=[], max_length=50)


class CancelAfter(Body):
    timeout_s: int = Field(ge=0, le=86_400, description="5 and more, or 0 for off", examples=[60])


class CancelOrders(Body):
    product_id: str = None


# Rows are lists of one length: a type per place is more than some readers of the document understand.
Candle = Annotated[list[float], Field(min_length=6, max_length=6)]
SparkLines = dict[str, list[Annotated[list[float], Field(min_length=5, max_length=5)]]]
