/** What the exchange refused, in words that say what to do. By `code`; what has no words here is shown as the exchange said it. */
import { ApiError } from "./errors";

export const WORDS: Record<string, string> = {
  insufficient_funds: "There is not enough available for this order. Part of your balance may be held by open orders.",
  too_many_open_orders: "You have as many open orders in this market as an account may. Cancel one first.",
  cancel_only: "This market is halted: it takes cancels, but no orders, until an operator resumes it.",
  limit_only: "This market takes limit orders only at present.",
  no_reference_price: "This market has no price yet that a market order could go by. Use a limit order.",
  funds_too_large: "The order is worth more than the market's most.",
  funds_too_small: "The order is worth less than the market's least.",
  size_too_small: "The size is below the market's least.",
  size_too_large: "The size is above the market's most.",
  price_too_large: "The price is above the market's most.",
  price_too_precise: "The price has more digits than the market takes.",
  size_too_precise: "The size has more digits than the market takes.",
  duplicate_client_oid: "This order was sent before with other terms. Nothing was placed; send it again.",
  order_already_done: "The order was done already: filled, cancelled or expired.",
  order_not_open: "Only an order that is open can be changed.",
  amend_in_progress: "The order is being changed already. Wait until the exchange has answered.",
  order_not_found: "There is no such order any more.",
  faucet_limit_reached: "The faucet gives no more of this currency to one account.",
  account_frozen: "Your account is frozen. Ask the operator of this exchange.",
  too_many_api_keys: "An account has at most 20 keys. Delete one first.",
  rate_limit_exceeded: "Too many requests. Wait a moment, then try again.",
  unavailable: "The exchange is busy. Nothing was done; try again.",
  service_unavailable: "The exchange is busy. Nothing was done; try again.",
  outcome_unknown: "It is not known whether the order was placed. Look at your open orders before you send another.",
  internal_error: "Something went wrong in the exchange. Look at your open orders before you try again.",
  token_invalid: "Your session is over. Sign in again.",
  unauthorized: "Your session is over. Sign in again.",
  scope_missing: "You may not do this.",
  signed_out: "Sign in to go on.",
  unreachable: "The exchange cannot be reached. Check your connection; look at your open orders before you send again.",
  withdrawal_limit_reached: "This is more than your account may withdraw in 24 hours.",
  address_waiting: "This address is new. Withdrawals to it start once its waiting time is over.",
  too_many_addresses: "The address book is full: it holds at most 100 addresses.",
  address_not_in_book: "Add this address to the address book first.",
  invalid_expire_time: "The order's end is no time, or it has passed.",
  deadline_passed: "The deadline passed before the exchange had the order. Nothing was placed.",
  withdrawal_not_cancelable: "The withdrawal has gone too far to be taken back.",
  currency_not_withdrawable: "This currency cannot be withdrawn in this way.",
};

/** Why the engine refused an order that the API had taken (`reject_reason`), or why it ended. */
const REASONS: Record<string, string> = {
  market_halted: "the market is halted",
  outside_band: "its price is too far from the last trade",
  post_only_would_cross: "it would have traded at once, and it was post-only",
  fok_not_fillable: "it could not be filled whole",
  expired: "it was too old when it reached the engine",
  overflow: "its value is too large",
  malformed: "the engine could not read it",
  duplicate_order_id: "its id was used before",
  unknown_order: "it had ended before",
};

export function words(failure: unknown): string {
  if (failure instanceof ApiError) return WORDS[failure.code] ?? sentence(failure.message);
  return failure instanceof Error ? failure.message : String(failure);
}

export const reasonWords = (reason: string): string => REASONS[reason] ?? reason.replaceAll("_", " ");

const sentence = (text: string): string => (text ? text[0]!.toUpperCase() + text.slice(1) : "The exchange refused.");
