/** What the console asks, and how often. Everything here needs the group `operators`; the API checks it again. */
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { call, page } from "../api/client";
import type {
  ActionRow,
  Adjustment,
  AdminMarket,
  Entry,
  EntryRow,
  Fees,
  Health,
  Invariants,
  OperatedAccount,
  Withdrawal,
} from "./types";

export const useAdminMarkets = () =>
  useQuery({
    queryKey: ["admin", "markets"],
    queryFn: ({ signal }) => call<AdminMarket[]>("/admin/markets", { signal }),
    refetchInterval: 3_000,
  });

export const useHealth = () =>
  useQuery({
    queryKey: ["admin", "health"],
    queryFn: ({ signal }) => call<Health>("/admin/health", { signal }),
    refetchInterval: 5_000,
  });

export const useInvariants = () =>
  useQuery({
    queryKey: ["admin", "invariants"],
    queryFn: ({ signal }) => call<Invariants>("/admin/invariants", { signal }),
    refetchInterval: 10_000,
  });

export interface Cursor {
  before?: string;
  after?: string;
}

export const useJournal = (productId: string, cursor: Cursor) =>
  useQuery({
    queryKey: ["admin", "journal", productId, cursor],
    queryFn: ({ signal }) => page<EntryRow>(`/admin/journal/${productId}`, { query: { limit: 50, ...cursor }, signal }),
    refetchInterval: cursor.after === undefined && cursor.before === undefined ? 5_000 : false,
  });

export const useEntry = (productId: string, seq: string) =>
  useQuery({
    queryKey: ["admin", "entry", productId, seq],
    queryFn: ({ signal }) => call<Entry>(`/admin/journal/${productId}/${seq}`, { signal }),
    staleTime: 60_000,
  });

export const useActions = (subject: string, cursor: Cursor) =>
  useQuery({
    queryKey: ["admin", "actions", subject, cursor],
    queryFn: ({ signal }) => page<ActionRow>("/admin/actions", { query: { subject, limit: 50, ...cursor }, signal }),
    refetchInterval: 10_000,
  });

export const useWithdrawals = (status: string, cursor: Cursor) =>
  useQuery({
    queryKey: ["admin", "withdrawals", status, cursor],
    queryFn: ({ signal }) => page<Withdrawal>("/admin/withdrawals", { query: { status, limit: 50, ...cursor }, signal }),
    refetchInterval: 10_000,
  });

export const useOperatedAccounts = (query: string, cursor: Cursor) =>
  useQuery({
    queryKey: ["admin", "accounts", query, cursor],
    queryFn: ({ signal }) => page<OperatedAccount>("/admin/accounts", { query: { query, limit: 50, ...cursor }, signal }),
  });

export const useOperatedAccount = (id: string) =>
  useQuery({
    queryKey: ["admin", "account", id],
    queryFn: ({ signal }) => call<OperatedAccount>(`/admin/accounts/${id}`, { signal }),
    refetchInterval: 10_000,
  });

export const useAdjustments = (status: string, cursor: Cursor) =>
  useQuery({
    queryKey: ["admin", "adjustments", status, cursor],
    queryFn: ({ signal }) => page<Adjustment>("/admin/adjustments", { query: { status, limit: 50, ...cursor }, signal }),
    refetchInterval: 10_000,
  });

export const useHouseFees = () =>
  useQuery({
    queryKey: ["admin", "fees"],
    queryFn: ({ signal }) => call<Fees>("/admin/fees", { signal }),
    refetchInterval: 30_000,
  });

/** An act: a POST with a reason. Everything the console knows is asked anew afterwards, also when it was refused. */
export function useAct() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: ({ path, body }: { path: string; body: Record<string, unknown> }) => call(path, { method: "POST", body }),
    onSettled: () =>
      Promise.all([client.invalidateQueries({ queryKey: ["admin"] }), client.invalidateQueries({ queryKey: ["products"] })]),
  });
}
