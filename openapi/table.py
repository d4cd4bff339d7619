"""What each route takes and answers. Every route has an answer here, every body that is read a model: a test says so."""

from typing import Any
from uuid import UUID

from openapi import events, models, operators, wallet
from openapi.models import Answer, Body

MODULES = (models, wallet, operators, events)
# The one answer that is no JSON.
HTML = "text/html"

BODIES: dict[str, Any] = {
    "POST /orders": models.NewOrder, "PUT /orders/{order_id}": models.Amend, "POST /orders/batch": models.Batch,
    "POST /orders/cancel-after": models.CancelAfter, "DELETE /orders": models.CancelOrders,
    "POST /deposits/faucet": wallet.FaucetDeposit, "POST /withdrawals/crypto": wallet.CryptoWithdrawal,
    "POST /withdrawals/payment-method": wallet.PaymentMethodWithdrawal, "POST /address-book": wallet.NewAddresses,
    "POST /custody/notices": wallet.DepositNotice | wallet.PayoutNotice, "POST /api-keys": wallet.NewApiKey,
    "POST /admin/accounts/{account_id}/freeze": operators.Act, "POST /admin/accounts/{account_id}/unfreeze": operators.Act,
    "POST /admin/accounts/{account_id}/tier": operators.TierChange,
    "POST /admin/withdrawals/{transfer_id}/approve": operators.Approval,
    "POST /admin/withdrawals/{transfer_id}/refuse": operators.Act, "POST /admin/adjustments": operators.NewAdjustment,
    "POST /admin/adjustments/{adjustment_id}/approve": operators.Approval,
    "POST /admin/adjustments/{adjustment_id}/refuse": operators.Act, "POST /admin/custody-secret": operators.Act,
    "POST /admin/markets/{product_id}/halt": operators.Act, "POST /admin/markets/{product_id}/auction": operators.Opening,
    "POST /admin/markets/{product_id}/resume": operators.Opening}
# A body that may be missing.
OPTIONAL_BODIES = {
    "DELETE /orders", "POST /api-keys", "POST /admin/withdrawals/{transfer_id}/approve",
    "POST /admin/adjustments/{adjustment_id}/approve"}

ANSWERS: dict[str, Any] = {
    "GET /time": models.ServerTime, "GET /currencies": list[models.Currency],
    "GET /currencies/{currency_id}": models.Currency, "GET /products": list[models.Product],
    "GET /products/{product_id}": models.Product, "GET /products/{product_id}/book": models.Book,
    "GET /products/{product_id}/ticker": models.Ticker, "GET /products/{product_id}/trades": list[models.Trade],
    "GET /products/{product_id}/candles": list[models.Candle], "GET /products/{product_id}/stats": models.Statistics,
    "GET /products/{product_id}/events": events.Events, "GET /products/volume-summary": list[models.Volumes],
    "GET /products/spark-lines": models.SparkLines, "GET /proof": wallet.Proof, "GET /proof/{currency}": wallet.OwnProof,
    "GET /openapi.json": dict[str, Any], "GET /docs": HTML,
    "POST /orders": models.Order, "POST /orders/batch": models.BatchAnswer, "PUT /orders/{order_id}": models.AmendedOrder,
    "POST /orders/cancel-after": models.Switch, "GET /orders": list[models.Order], "GET /orders/{order_id}": models.Order,
    "DELETE /orders/{order_id}": UUID, "DELETE /orders": list[UUID], "GET /fills": list[models.Fill],
    "GET /accounts": list[models.Account], "GET /accounts/": list[models.Account],
    "GET /accounts/{account_id}": models.Account, "GET /accounts/{account_id}/ledger": list[models.LedgerRow],
    "GET /accounts/{account_id}/holds": list[models.Hold], "GET /accounts/{account_id}/transfers": list[wallet.Transfer],
    "GET /fees": models.Fees, "GET /profiles": list[models.Profile], "GET /profiles/{profile_id}": models.Profile,
    "GET /users/self/verify": models.User, "GET /users/self/trailing-volume": list[models.TrailingVolume],
    "GET /payment-methods": list[wallet.PaymentMethod], "GET /coinbase-accounts": list[wallet.Wallet],
    "POST /coinbase-accounts/{account_id}/addresses": wallet.DepositAddress, "POST /deposits/faucet": wallet.Deposit,
    "POST /custody/notices": wallet.NoticeTaken, "POST /withdrawals/crypto": wallet.Withdrawal,
    "POST /withdrawals/payment-method": wallet.Withdrawal, "GET /withdrawals/fee-estimate": wallet.FeeEstimate,
    "GET /users/self/exchange-limits": wallet.ExchangeLimits,
    "DELETE /withdrawals/{transfer_id}": UUID, "GET /transfers": list[wallet.Transfer],
    "GET /transfers/{transfer_id}": wallet.WholeTransfer, "GET /address-book": list[wallet.Address],
    "POST /address-book": list[wallet.Address], "DELETE /address-book/{address_id}": UUID,
    "POST /api-keys": wallet.MadeApiKey, "GET /api-keys": list[wallet.ApiKey], "DELETE /api-keys/{key}": wallet.Hex,
    "GET /admin/accounts": list[operators.OperatedAccount], "GET /admin/accounts/{account_id}": operators.WholeAccount,
    "POST /admin/accounts/{account_id}/freeze": operators.WholeAccount,
    "POST /admin/accounts/{account_id}/unfreeze": operators.WholeAccount,
    "POST /admin/accounts/{account_id}/tier": operators.WholeAccount, "GET /admin/withdrawals": list[wallet.Transfer],
    "POST /admin/withdrawals/{transfer_id}/approve": wallet.WholeTransfer,
    "POST /admin/withdrawals/{transfer_id}/refuse": wallet.WholeTransfer,
    "GET /admin/adjustments": list[operators.Adjustment], "POST /admin/adjustments": operators.Adjustment,
    "POST /admin/adjustments/{adjustment_id}/approve": operators.Adjustment,
    "POST /admin/adjustments/{adjustment_id}/refuse": operators.Adjustment, "GET /admin/fees": operators.CollectedFees,
    "POST /admin/custody-secret": operators.CustodySecret, "GET /admin/markets": list[operators.MarketOverview],
    "POST /admin/markets/{product_id}/halt": operators.SteeredMarket,
    "POST /admin/markets/{product_id}/auction": operators.SteeredMarket,
    "POST /admin/markets/{product_id}/resume": operators.SteeredMarket, "GET /admin/health": operators.Health,
    "GET /admin/journal/{product_id}": list[operators.JournalRow],
    "GET /admin/journal/{product_id}/{seq}": operators.JournalEntry, "GET /admin/invariants": operators.Invariants,
    "GET /admin/actions": list[operators.OperatorAction]}


def all_models() -> list[type]:
    """Every answer and body of the modules."""
    return [value for module in MODULES for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Answer | Body) and value.__module__ == module.__name__
            and value not in (Answer, Body)]
