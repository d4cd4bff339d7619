/** What pages ask of REST, by name: keys, pages and what is asked again when. */
import { useInfiniteQuery, useQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { useSession } from "../auth/session";
import { type CandleRow, type SparkLineRow, sparkLine } from "../domain/candles";
import { units } from "../domain/decimal";
import { type Market, type ProductRow, readMarket } from "../domain/market";
import { readLimits, type WithdrawalLimits } from "../domain/withdrawal";
import { newerStatus } from "../feed/status";
import { queries } from "./cache";
import { call, page, type Query } from "./client";
import type {
  AccountRow,
  AddressRow,
  ApiKeyRow,
  CurrencyRow,
  ExchangeLimits,
  FeesRow,
  FillRow,
  LedgerRow,
  OrderRow,
  PaymentMethodRow,
  TransferRow,
} from "./types";

const useSignedIn = (): boolean => useSession().status === "signed-in";

export function useMarkets(): { markets: Market[]; isPending: boolean; error: Error | null } {
  const { data, isPending, error } = useQuery({
    queryKey: ["products"],
    queryFn: async () => {
      const askedAtMs = Date.now();
      return newerStatus(await call<ProductRow[]>("/products", { open: true }), askedAtMs);
    },
    refetchInterval: 10_000,
  });
  const markets = useMemo(() => (data ?? []).map(readMarket), [data]);
  return { markets, isPending, error };
}

export const useCurrencies = () =>
  useQuery({
    queryKey: ["currencies"],
    staleTime: Number.POSITIVE_INFINITY,
    queryFn: () => call<CurrencyRow[]>("/currencies", { open: true }),
  });

export const useCandles = (productId: string, granularity: number) =>
  useQuery({
    queryKey: ["candles", productId, granularity],
    staleTime: 20_000,
    gcTime: 60_000,
    queryFn: ({ signal }) =>
      call<CandleRow[]>(`/products/${productId}/candles`, { open: true, query: { granularity }, signal }),
  });

/** Oldest first; empty where the exchange has none. */
export const useSparkLines = () =>
  useQuery({
    queryKey: ["spark-lines"],
    refetchInterval: 60_000,
    retry: false,
    queryFn: async () => {
      const answer = await call<Record<string, SparkLineRow[]>>("/products/spark-lines", { open: true });
      return new Map(Object.entries(answer).map(([id, rows]) => [id, sparkLine(rows)] as const));
    },
  });

export const useAccounts = () => {
  const enabled = useSignedIn();
  return useQuery({
    queryKey: ["accounts"],
    enabled,
    queryFn: () => call<AccountRow[]>("/accounts"),
    refetchInterval: 30_000,
  });
};

export const useFees = (productId: string) => {
  const enabled = useSignedIn();
  return useQuery({
    queryKey: ["fees", productId],
    enabled,
    staleTime: 60_000,
    queryFn: () => call<FeesRow>("/fees", { query: { product_id: productId } }),
  });
};

export const useOpenOrders = () => {
  const enabled = useSignedIn();
  return useQuery({
    queryKey: ["orders", "open"],
    enabled,
    refetchInterval: 30_000,
    queryFn: () => call<OrderRow[]>("/orders", { query: { status: ["pending", "open", "active"], limit: 500 } }),
  });
};

function usePages<Row>(key: readonly unknown[], path: string, query: Query, enabled = true) {
  const signedIn = useSignedIn();
  const found = useInfiniteQuery({
    queryKey: key,
    enabled: signedIn && enabled,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam, signal }) => page<Row>(path, { query: { limit: 50, ...query, after: pageParam }, signal }),
    getNextPageParam: (last) => last.after,
  });
  const rows = useMemo(() => found.data?.pages.flatMap((one) => one.rows) ?? [], [found.data]);
  return { ...found, rows };
}

export const useDoneOrders = (productId?: string) =>
  usePages<OrderRow>(["orders", "done", productId], "/orders", { status: ["done", "rejected"], product_id: productId });

export const useFills = (productId: string | undefined, enabled = true) =>
  usePages<FillRow>(["fills", productId], "/fills", { product_id: productId }, enabled && productId !== undefined);

export const useLedger = (accountId: string | undefined) =>
  usePages<LedgerRow>(["ledger", accountId], `/accounts/${accountId}/ledger`, {}, accountId !== undefined);

export const useTransfers = () => usePages<TransferRow>(["transfers"], "/transfers", {});

/** Asked again soon only while one of them waits. */
export const useAddresses = (enabled: boolean) =>
  useQuery({
    queryKey: ["addresses"],
    enabled,
    queryFn: () => call<AddressRow[]>("/address-book"),
    refetchInterval: ({ state }) => (state.data?.some((row) => !row.trusted) ? 5_000 : 60_000),
  });

export const usePaymentMethods = (enabled: boolean) =>
  useQuery({ queryKey: ["payment-methods"], enabled, queryFn: () => call<PaymentMethodRow[]>("/payment-methods") });

export const useWithdrawalFee = (currency: string, enabled: boolean) =>
  useQuery({
    queryKey: ["withdrawal-fee", currency],
    enabled,
    queryFn: () => call<{ fee: string }>("/withdrawals/fee-estimate", { query: { currency } }),
  });

/** How much of the currency may be withdrawn; undefined while it is not known. */
export function useWithdrawalLimits(currency: string): WithdrawalLimits | undefined {
  const { data } = useQuery({
    queryKey: ["exchange-limits"],
    queryFn: async () => (await call<ExchangeLimits>("/users/self/exchange-limits")).transfer_limits.exchange_withdraw,
    refetchInterval: 30_000,
  });
  const row = data?.[currency];
  return useMemo(() => row && readLimits(row), [row]);
}

export const useApiKeys = () => {
  const enabled = useSignedIn();
  return useQuery({ queryKey: ["api-keys"], enabled, queryFn: () => call<ApiKeyRow[]>("/api-keys") });
};

export function availableOf(accounts: AccountRow[] | undefined, currency: string): bigint | undefined {
  if (accounts === undefined) return undefined;
  const row = accounts.find((account) => account.currency === currency);
  return row === undefined ? 0n : units(row.available);
}

/** After something of one's own happened: at once, and once more when the ledger has settled it. */
export function ownStateChanged(): void {
  const ask = (): void => {
    for (const queryKey of [["orders"], ["accounts"], ["fills"], ["ledger"], ["transfers"], ["exchange-limits"]])
      void queries.invalidateQueries({ queryKey });
  };
  clearTimeout(soon);
  clearTimeout(later);
  soon = setTimeout(ask, 120);
  later = setTimeout(ask, 1_200);
}

let soon: ReturnType<typeof setTimeout> | undefined;
let later: ReturnType<typeof setTimeout> | undefined;
