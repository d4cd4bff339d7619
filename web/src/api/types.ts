/** Rows of the REST API as they come; docs/API.md. Money is text. */
import type { WithdrawalLimitsRow } from "../domain/withdrawal";

export type OrderStatus = "pending" | "open" | "active" | "done" | "rejected";

export interface OrderRow {
  id: string;
  product_id: string;
  side: "buy" | "sell";
  type: "limit" | "market" | "stop";
  stp?: string;
  time_in_force?: string;
  post_only?: boolean;
  price?: string;
  size?: string;
  funds?: string;
  specified_funds?: string;
  stop?: "loss" | "entry";
  stop_price?: string;
  display_size?: string;
  expire_time?: string;
  created_at: string;
  done_at?: string;
  done_reason?: "filled" | "canceled" | "rejected";
  reject_reason?: string;
  fill_fees: string;
  filled_size: string;
  executed_value: string;
  status: OrderStatus;
  client_oid?: string;
}

export interface FillRow {
  trade_id: number;
  product_id: string;
  order_id: string;
  liquidity: "M" | "T";
  price: string;
  size: string;
  fee: string;
  side: "buy" | "sell";
  created_at: string;
}

export interface AccountRow {
  id: string;
  currency: string;
  balance: string;
  available: string;
  hold: string;
  trading_enabled: boolean;
}

export interface LedgerRow {
  id: string;
  amount: string;
  balance: string;
  created_at: string;
  type: string;
  details: { order_id?: string; trade_id?: string; product_id?: string; transfer_id?: string };
}

export interface CurrencyRow {
  id: string;
  name: string;
  min_size: string;
  max_precision: string;
  status: string;
  details?: { type?: string };
}

export interface FeesRow {
  maker_fee_rate: string;
  taker_fee_rate: string;
  usd_volume?: string;
}

export interface ApiKeyRow {
  key: string;
  label: string;
  scopes: string[];
  created_at: string;
  last_used_at?: string;
  secret?: string;
  passphrase?: string;
}

export interface TransferRow {
  id: string;
  type: string;
  currency: string;
  amount: string;
  status: string;
  created_at: string;
  completed_at?: string;
  details?: { fee?: string; subtotal?: string; method?: string; crypto_address?: string; destination_tag?: string };
}

export interface AddressRow {
  id: string;
  currency: string;
  address: string;
  destination_tag?: string;
  label: string;
  trusted: boolean;
  address_book_added_at: string;
  address_book_entry_pending_until?: string;
}

export interface ExchangeLimits {
  transfer_limits: { exchange_withdraw: Record<string, WithdrawalLimitsRow> };
}

export interface PaymentMethodRow {
  id: string;
  currency: string;
  name?: string;
  allow_withdraw?: boolean;
}
