/** What the operators' routes answer; docs/API.md. Amounts are decimal text. */
export type MarketStatus = "online" | "halted" | "auction";
export type Move = "halt" | "auction" | "resume";

export interface Halt {
  reason: string;
  at: string;
  broken: boolean;
  by?: string;
}

export interface Follower {
  seq: number;
  lag: number;
  lag_s: number;
}

export interface AdminMarket {
  product_id: string;
  status: MarketStatus;
  broken: boolean;
  reason?: string;
  since?: string;
  by?: string;
  mode: "open" | "halted" | "auction" | "uncrossing";
  sequence: number;
  journal: { seq: number; at?: string; hash?: string };
  settle: Follower;
  feed: Follower;
  last_trade?: { trade_id: number; price: string; size: string; time: string };
  last_halt?: Halt;
}

export interface Trouble {
  what: string;
  subject: string;
  text: string;
}

export interface QueueRow {
  name: string;
  dead: boolean;
  waiting: number;
  in_flight: number;
  oldest_age_s?: number;
}

export interface AuditRun {
  audit: string;
  market: string;
  /** `never`: none of the figures below is there. */
  result: "passed" | "behind" | "failed" | "never";
  started_at?: string;
  duration_ms?: number;
  rows_checked?: number;
  last_passed_at?: string;
  last_failed_at?: string;
}

export interface FunctionRow {
  function: string;
  errors: number;
  throttles: number;
  environments: number;
}

export interface Health {
  time: string;
  healthy: boolean;
  troubles: Trouble[];
  unreachable: { part: string; text: string }[];
  markets: AdminMarket[];
  queues: QueueRow[];
  audits: AuditRun[];
  withdrawals: { status: "approved" | "sent"; count: number; oldest_age_s: number }[];
  functions?: FunctionRow[];
}

export interface EntryRow {
  product_id: string;
  seq: number;
  at?: string;
  sequence?: number;
  commands?: Record<string, number>;
  events?: Record<string, number>;
  bytes: number;
  hash?: string;
  prev_hash?: string;
  state_hash?: string;
  verified: boolean;
  trouble?: string;
}

export type Told = Record<string, string | number | boolean | string[]> & { kind: string };

export interface Entry extends Omit<EntryRow, "commands" | "events"> {
  core_version?: number;
  first_queue_sequence?: string;
  last_queue_sequence?: string;
  commands?: Told[];
  events?: Told[];
}

export interface Invariants {
  checked_at: string;
  I1: { currency: string; traders: string; fees: string; custody: string; sum: string; holds: boolean }[];
  I2: { currency: string; negative_balances: number; holds: boolean }[];
  I3: { currency: string; held: string; needed: string; differing_accounts: number; holds: boolean }[];
  I4: { product_id: string; settled_seq: number; hash: string; holds: boolean }[];
  audits: AuditRun[];
  findings: {
    audit: string;
    market: string;
    invariant: string;
    subject: string;
    what: string;
    times: number;
    first_found_at: string;
    last_found_at: string;
  }[];
}

export interface ActionRow {
  id: string;
  at: string;
  operator: string;
  action: string;
  subject: string;
  reason: string;
  details: Record<string, unknown>;
}

export interface AccountBalance {
  currency: string;
  balance: string;
  available: string;
  hold: string;
}

/** In a list without the balances, the counts and what operators did. */
export interface OperatedAccount {
  id: string;
  number: number;
  user_id?: string;
  tier: string;
  status: "active" | "frozen";
  created_at: string;
  balances?: AccountBalance[];
  open_orders?: number;
  open_withdrawals?: number;
}

export interface Withdrawal {
  id: string;
  created_at: string;
  profile_id: string;
  currency: string;
  amount: string;
  status: string;
  details: {
    fee?: string;
    method?: string;
    crypto_address?: string;
    destination_tag?: string;
    coinbase_payment_method_id?: string;
  };
}

export interface Adjustment {
  id: string;
  account_id: string;
  currency: string;
  amount: string;
  reason: string;
  status: "requested" | "approved" | "refused";
  requested_by: string;
  created_at: string;
  decided_by?: string;
  decided_at?: string;
}

export interface Fees {
  markets: { product_id: string; currency: string; collected: string; maker_fee_rate?: string; taker_fee_rate?: string }[];
  withdrawals: { currency: string; collected: string }[];
  tiers: { volume: string; maker_fee_rate: string; taker_fee_rate: string }[];
}
