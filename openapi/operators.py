"""Models of the operators' operations."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from openapi.models import Answer, Body, Money, Number, Time, Trade
from openapi.wallet import Hex

Reason = Annotated[str, Field(min_length=1, max_length=500, description="one line, in words")]
Tier = Literal["basic", "verified"]


class Balance(Answer):
    currency: str
    balance: Money
    available: Money
    hold: Money


class AccountAction(Answer):
    action: str
    reason: str
    operator: str
    created_at: Time
    tier: str = ""


class OperatedAccount(Answer):
    id: UUID
    number: int
    user_id: str
    tier: str
    status: Literal["active", "frozen"]
    created_at: Time


class WholeAccount(OperatedAccount):
    balances: list[Balance]
    open_orders: int
    open_withdrawals: int
    actions: list[AccountAction]


class Adjustment(Answer):
    id: UUID
    account_id: UUID
    currency: str
    amount: Money
    reason: str
    status: Literal["requested", "approved", "refused"]
    requested_by: str
    created_at: Time
    decided_by: str = ""
    decided_at: Time = ""


class MarketFees(Answer):
    product_id: str
    currency: str
    collected: Money
    maker_fee_rate: Money = ""
    taker_fee_rate: Money = ""


class WithdrawalFees(Answer):
    currency: str
    collected: Money


class FeeTier(Answer):
    volume: Money
    maker_fee_rate: Money
    taker_fee_rate: Money


class CollectedFees(Answer):
    markets: list[MarketFees]
    withdrawals: list[WithdrawalFees]
    tiers: list[FeeTier]


class CustodySecret(Answer):
    secret: str


class Halt(Answer):
    reason: str
    at: str
    broken: bool
    by: str = ""


class MarketStatus(Answer):
    product_id: str
    status: Literal["online", "halted", "auction"]
    broken: bool
    reason: str = ""
    since: str = ""
    by: str = ""
    last_halt: Halt = None


class SteeredMarket(MarketStatus):
    action_id: UUID


class JournalHead(Answer):
    seq: int
    at: Time = ""
    hash: Hex = ""
    sequence: int = 0


class Follower(Answer):
    seq: int
    lag: int = Field(description="journal entries")
    lag_s: float


class MarketOverview(MarketStatus):
    mode: Literal["open", "halted", "auction", "uncrossing"]
    sequence: int
    journal: JournalHead
    settle: Follower
    feed: Follower
    last_trade: Trade = None


class Trouble(Answer):
    what: str = Field(description="a page of docs/runbooks")
    subject: str
    text: str


class Unreachable(Answer):
    part: str
    text: str


class QueueState(Answer):
    name: str
    dead: bool
    waiting: int
    in_flight: int
    oldest_age_s: float = 0


class WithdrawalsUnderWay(Answer):
    status: Literal["approved", "sent"]
    count: int
    oldest_age_s: float


class AuditRun(Answer):
    audit: str
    market: str
    result: Literal["passed", "behind", "failed", "never"]
    since: Time = ""
    started_at: Time = ""
    duration_ms: int = 0
    rows_checked: int = 0
    details: dict[str, Any] = {}
    last_passed_at: Time = ""
    last_failed_at: Time = ""


class FunctionFigures(Answer):
    function: str
    errors: int
    throttles: int
    environments: int


class Health(Answer):
    time: Time
    healthy: bool
    troubles: list[Trouble]
    unreachable: list[Unreachable]
    markets: list[MarketOverview]
    queues: list[QueueState]
    audits: list[AuditRun]
    withdrawals: list[WithdrawalsUnderWay]
    functions: list[FunctionFigures] = []


class JournalRow(Answer):
    """Of an entry that cannot be read only the first two, `trouble` and `bytes`."""

    product_id: str
    seq: int
    verified: bool
    bytes: int
    trouble: str = ""
    at: Time = ""
    sequence: int = 0
    commands: dict[str, int] = {}
    events: dict[str, int] = {}
    hash: Hex = ""
    prev_hash: Hex = ""
    state_hash: Hex = ""


class JournalCommand(Answer):
    """What does not apply to the kind is left out."""

    kind: str
    issued_at: Time = ""
    order_id: UUID = None
    account: int = 0
    client_oid: UUID = None
    side: str = ""
    type: str = ""
    time_in_force: str = ""
    stp: str = ""
    post_only: bool = False
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    stop: str = ""
    price: Money = ""
    size: Money = ""
    funds: Money = ""
    stop_price: Money = ""
    display_size: Money = ""
    expire_at: Time = ""
    collar_bp: int = 0
    record: Hex = ""


class JournalEvent(Answer):
    """What does not apply to the kind is left out."""

    kind: str
    sequence: int
    command_index: int
    side: str = ""
    code: str = ""
    reason: str = ""
    flags: list[str] = []
    order_id: UUID = None
    maker_order_id: UUID = None
    account: int = 0
    maker_account: int = 0
    trade_id: int = 0
    price: Money = ""
    size: Money = ""
    orders: int = 0
    hidden: Money = ""
    maker_left: Money = ""
    funds: Money = ""
    size_before: Money = ""


class JournalEntry(JournalRow):
    core_version: int = 0
    queue_identity: str = ""
    first_queue_sequence: str = ""
    last_queue_sequence: str = ""
    resume_offset: int = 0
    commands: list[JournalCommand] = []
    events: list[JournalEvent] = []


class ZeroSum(Answer):
    currency: str
    holds: bool
    traders: Money
    fees: Money
    custody: Money
    sum: Money


class NoNegative(Answer):
    currency: str
    negative_balances: int
    holds: bool


class HoldsCovered(Answer):
    currency: str
    held: Money
    needed: Money
    differing_accounts: int
    holds: bool


class ChainSettled(Answer):
    product_id: str
    settled_seq: int
    hash: str
    holds: bool


class AuditFinding(Answer):
    audit: str
    market: str
    invariant: str
    subject: str
    what: str
    evidence: list[Any]
    first_found_at: Time
    last_found_at: Time
    times: int


class Invariants(Answer):
    checked_at: Time
    I1: list[ZeroSum]
    I2: list[NoNegative]
    I3: list[HoldsCovered]
    I4: list[ChainSettled]
    audits: list[AuditRun]
    findings: list[AuditFinding]


class OperatorAction(Answer):
    id: UUID
    at: Time
    operator: str
    action: str
    subject: str
    reason: str
    details: dict[str, Any]


class Act(Body):
    reason: Reason


class TierChange(Act):
    tier: Tier


class Approval(Body):
    reason: Reason = None


class Opening(Act):
    acknowledge_broken_invariant: bool = Field(default=False, description="of a market that a broken invariant halted")


class NewAdjustment(Act):
    account_id: UUID = Field(description="the account's profile id")
    currency: str
    amount: Number = Field(description="signed")
    id: UUID = Field(default=None, description="a repeat asks once")
