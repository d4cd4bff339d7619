"""Models of what moves money in and out: deposits, withdrawals, address book; API keys; the proof of liabilities."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field

from openapi.models import Answer, Body, Money, Number, Time

Hex = Annotated[str, Field(pattern=r"^[0-9a-f]+$")]
Scope = Literal["view", "trade", "transfer"]
WithdrawalStatus = Literal["requested", "approved", "sent", "completed", "returned", "refused", "canceled"]


class PaymentMethod(Answer):
    id: UUID
    type: Literal["bank_account"]
    currency: str
    name: str
    primary_buy: bool
    primary_sell: bool
    allow_buy: bool
    allow_sell: bool
    allow_deposit: bool
    allow_withdraw: bool
    limits: dict[str, Any]


class Wallet(Answer):
    id: UUID
    name: str
    currency: str
    type: Literal["wallet"]
    active: bool
    primary: bool
    balance: Money
    hold_balance: Money
    hold_currency: str


class DepositAddressInfo(Answer):
    address: str


class DepositAddress(Answer):
    id: UUID
    address: str
    address_info: DepositAddressInfo
    name: str
    created_at: Time
    updated_at: Time
    network: str
    uri_scheme: str
    resource: Literal["address"]
    resource_path: str
    warnings: list[Any]
    deposit_uri: str
    exchange_deposit_address: bool


class Deposit(Answer):
    id: UUID
    currency: str
    amount: Money
    created_at: Time


class Withdrawal(Answer):
    id: UUID
    currency: str
    amount: Money
    fee: Money
    subtotal: Money
    status: WithdrawalStatus
    payout_at: Time


class FeeEstimate(Answer):
    fee: Money
    currency: str


class WithdrawalLimits(Answer):
    max: Money
    remaining: Money
    period_in_days: Literal[1]
    min: Money
    approve_up_to: Money


class TransferLimits(Answer):
    exchange_withdraw: dict[str, WithdrawalLimits]


class ExchangeLimits(Answer):
    limit_currency: Literal["USD"]
    transfer_limits: TransferLimits


class TransferDetails(Answer):
    method: str
    fee: Money
    subtotal: Money
    coinbase_payment_method_id: UUID = None
    crypto_address: str = ""
    sent_to_address: str = ""
    destination_tag: str = ""
    crypto_transaction_hash: str = ""
    reference: str = ""


class TransferStep(Answer):
    status: str
    created_at: Time
    note: str = ""


class Transfer(Answer):
    id: UUID
    type: Literal["deposit", "withdraw"]
    created_at: Time
    account_id: UUID
    user_id: str
    profile_id: UUID
    currency: str
    amount: Money
    status: WithdrawalStatus
    details: TransferDetails
    completed_at: Time = ""
    processed_at: Time = ""
    canceled_at: Time = ""
    idem: UUID = None


class WholeTransfer(Transfer):
    steps: list[TransferStep]


class AddressInfo(Answer):
    address: str
    display_address: str
    destination_tag: str = ""


class Address(Answer):
    id: UUID
    currency: str
    address: str
    display_address: str
    label: str
    address_info: AddressInfo
    address_booked: bool
    trusted: bool
    address_book_added_at: Time
    address_book_entry_pending_until: Time = ""
    destination_tag: str = ""


class NoticeTaken(Answer):
    id: UUID
    status: Literal["credited", "repeated", "completed", "returned"]


class ApiKey(Answer):
    key: Hex
    label: str
    scopes: list[Scope]
    allowed_addresses: list[str]
    created_at: Time
    last_used_at: Time = ""


class MadeApiKey(ApiKey):
    secret: str
    passphrase: str


class JournalPosition(Answer):
    seq: int
    hash: Hex


class ProofTotal(Answer):
    currency: str
    accounts: int
    total: Money
    root: Hex


class Proof(Answer):
    taken_at: Time
    journals: dict[str, JournalPosition]
    currencies: list[ProofTotal]


class ProofStep(Answer):
    side: Literal["left", "right"]
    hash: Hex
    sum: Annotated[str, Field(pattern=r"^\d+$", description="in 10^-8")]


class OwnProof(ProofTotal):
    taken_at: Time
    account: UUID
    balance: Money
    nonce: Hex
    path: list[ProofStep]


class FaucetDeposit(Body):
    currency: str = Field(examples=["USD"])
    amount: Number
    id: UUID = Field(default=None, description="a repeat is credited once")


class CryptoWithdrawal(Body):
    currency: str = Field(examples=["BTC"])
    amount: Number
    crypto_address: str = Field(description="one of the address book", max_length=128)
    destination_tag: str = Field(default=None, max_length=64)
    add_network_fee_to_total: bool = False
    idem: UUID = Field(default=None, description="a repeat is withdrawn once")


class PaymentMethodWithdrawal(Body):
    currency: str = Field(examples=["USD"])
    amount: Number
    payment_method_id: UUID
    add_network_fee_to_total: bool = False
    idem: UUID = Field(default=None, description="a repeat is withdrawn once")


class Destination(Body):
    address: str = Field(max_length=128)
    destination_tag: str = Field(default=None, max_length=64)


class NewAddress(Body):
    currency: str = Field(examples=["BTC"])
    to: Destination
    label: str = Field(default=None, max_length=64)


class NewAddresses(Body):
    addresses: list[NewAddress] = Field(min_length=1, max_length=50)


class DepositNotice(Body):
    id: str = Field(min_length=1, max_length=128)
    type: Literal["deposit"]
    currency: str
    address: str = Field(min_length=1, max_length=128)
    amount: Number


class PayoutNotice(Body):
    id: str = Field(min_length=1, max_length=128)
    type: Literal["payout"]
    transfer_id: UUID
    settled: bool
    reference: str = Field(min_length=1, max_length=128)


class NewApiKey(Body):
    label: str = Field(default="", max_length=64)
    scopes: list[Scope] = Field(default=["view", "trade", "transfer"], min_length=1, max_length=3)
    passphrase: str = Field(default=None, min_length=6, max_length=64, pattern=r"^[!-~]+$")
    allowed_addresses: list[str] = Field(default=[], max_length=20, examples=[["192.0.2.0/24"]])
