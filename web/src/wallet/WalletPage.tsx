import { Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMemo, useState } from "react";
import { call } from "../api/client";
import { ownStateChanged, useAccounts, useCurrencies, useMarkets, useTransfers } from "../api/queries";
import type { AccountRow, TransferRow } from "../api/types";
import { words } from "../api/words";
import classes from "../app/page.module.css";
import { fullTime } from "../app/times";
import { SignedIn } from "../auth/SignedIn";
import { formatUnits, multiply, units } from "../domain/decimal";
import { shownPlaces } from "../domain/market";
import { useOwnEvents } from "../feed/own";
import { type Ticker, useTickers } from "../feed/tickers";
import { Rows } from "../trade/OrdersPanel";
import { DepositForm } from "./DepositForm";
import { LedgerCard } from "./LedgerCard";
import { WithdrawForm } from "./WithdrawForm";

export const WalletPage = () => (
  <SignedIn>
    <Wallet />
  </SignedIn>
);

function Wallet() {
  const { data: accounts } = useAccounts();
  const { data: currencies } = useCurrencies();
  const { markets } = useMarkets();
  const ids = useMemo(() => markets.map((market) => market.id), [markets]);
  const tickers = useTickers(ids);
  useOwnEvents(ids);
  const [deposit, setDeposit] = useState<string | null>(null);
  const [withdrawn, setWithdrawn] = useState<string | null>(null);
  const withdraw = accounts?.find((row) => row.id === withdrawn) ?? null;
  const values = (accounts ?? []).map((row) => dollars(row, tickers));
  const known = values.every((value) => value !== undefined);
  const total = values.reduce<bigint>((sum, value) => sum + (value ?? 0n), 0n);
  return (
    <main className={classes.page}>
      <div className={classes.head}>
        <h1>Wallet</h1>
        {accounts !== undefined && (
          <span className="num dim">
            {known ? "Worth about " : "What has a price is worth about "}
            <strong style={{ color: "var(--text)", fontSize: 16 }}>
              {formatUnits(total, 2, { group: true, cut: true })} USD
            </strong>
          </span>
        )}
      </div>
      <section className={classes.card} aria-label="Balances">
        <div className={classes.cardHead}>
          <h2>Balances</h2>
        </div>
        <Rows label="Balances" empty="No balances yet." count={accounts?.length}>
          <thead>
            <tr>
              <th>Currency</th>
              <th className="right">Available</th>
              <th className="right">On hold</th>
              <th className="right">Total</th>
              <th className="right">Value (USD)</th>
              <th>
                <span className="visually-hidden">Actions</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {accounts?.map((row) => {
              const value = dollars(row, tickers);
              const text = (amount: string): string =>
                formatUnits(units(amount), shownPlaces(row.currency), { group: true, cut: true });
              return (
                <tr key={row.id} data-currency={row.currency}>
                  <td>
                    <strong>{row.currency}</strong>{" "}
                    <span className="dim">{currencies?.find(({ id }) => id === row.currency)?.name}</span>
                  </td>
                  <td className="right" title={`${row.available} ${row.currency}`}>
                    {text(row.available)}
                  </td>
                  <td className="right dim">{text(row.hold)}</td>
                  <td className="right" title={`${row.balance} ${row.currency}`}>
                    {text(row.balance)}
                  </td>
                  <td className="right dim">{value === undefined ? "–" : formatUnits(value, 2, { group: true, cut: true })}</td>
                  <td className="right">
                    <span style={{ display: "inline-flex", gap: 6 }}>
                      <Button
                        size="compact-xs"
                        variant="default"
                        onClick={() => setDeposit(row.currency)}
                        aria-label={`Deposit ${row.currency}`}
                      >
                        Deposit
                      </Button>
                      <Button
                        size="compact-xs"
                        variant="default"
                        onClick={() => setWithdrawn(row.id)}
                        aria-label={`Withdraw ${row.currency}`}
                      >
                        Withdraw
                      </Button>
                    </span>
                  </td>
                </tr>
              );
            })}
          </tbody>
        </Rows>
      </section>
      <Transfers />
      <LedgerCard accounts={accounts ?? []} />
      {deposit !== null && <DepositForm currency={deposit} onClose={() => setDeposit(null)} />}
      {withdraw !== null && (
        <WithdrawForm
          account={withdraw}
          fiat={currencies?.find(({ id }) => id === withdraw.currency)?.details?.type === "fiat"}
          onClose={() => setWithdrawn(null)}
        />
      )}
    </main>
  );
}

/** By the last price against the dollar; undefined where there is none. */
function dollars(row: AccountRow, tickers: ReadonlyMap<string, Ticker>): bigint | undefined {
  const balance = units(row.balance);
  if (row.currency === "USD" || balance === 0n) return balance;
  const ticker = tickers.get(`${row.currency}-USD`);
  return ticker === undefined ? undefined : multiply(balance, ticker.price, "down");
}

const STATUS: Record<string, string> = {
  requested: "Waiting for approval",
  approved: "Approved",
  sent: "Sent",
  completed: "Completed",
  returned: "Returned",
  refused: "Refused",
  canceled: "Taken back",
};

function Transfers() {
  const { rows, isPending, error, hasNextPage, isFetchingNextPage, fetchNextPage } = useTransfers();
  if (error !== null) return null;
  return (
    <section className={classes.card} aria-label="Deposits and withdrawals">
      <div className={classes.cardHead}>
        <h2>Deposits and withdrawals</h2>
      </div>
      <Rows
        label="Deposits and withdrawals"
        empty="No deposits or withdrawals yet."
        count={isPending ? undefined : rows.length}
        more={{ has: hasNextPage, loading: isFetchingNextPage, load: () => void fetchNextPage() }}
      >
        <thead>
          <tr>
            <th>Time</th>
            <th>Kind</th>
            <th className="right">Amount</th>
            <th className="right">Fee</th>
            <th>To</th>
            <th>Status</th>
            <th>
              <span className="visually-hidden">Actions</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <TransferLine key={row.id} row={row} />
          ))}
        </tbody>
      </Rows>
    </section>
  );
}

function TransferLine({ row }: { row: TransferRow }) {
  const places = shownPlaces(row.currency);
  return (
    <tr data-transfer={row.id} data-status={row.status}>
      <td className="dim">{fullTime(row.created_at)}</td>
      <td>{row.type === "withdraw" ? "Withdrawal" : "Deposit"}</td>
      <td className="right">
        {formatUnits(units(row.amount), places, { group: true })} {row.currency}
      </td>
      <td className="right dim">{row.details?.fee ? formatUnits(units(row.details.fee), places, { group: true }) : "–"}</td>
      <td className="dim">{row.details?.crypto_address ?? row.details?.method ?? "–"}</td>
      <td>{STATUS[row.status] ?? row.status}</td>
      <td className="right">{row.type === "withdraw" && row.status === "requested" && <TakeBack row={row} />}</td>
    </tr>
  );
}

/** While nobody has approved a withdrawal its owner may take it back. */
function TakeBack({ row }: { row: TransferRow }) {
  const [busy, setBusy] = useState(false);
  async function send(): Promise<void> {
    setBusy(true);
    try {
      await call(`/withdrawals/${row.id}`, { method: "DELETE" });
      notifications.show({
        color: "gray",
        title: "Withdrawal taken back",
        message: `${formatUnits(units(row.amount), shownPlaces(row.currency), { group: true })} ${row.currency} is available again.`,
      });
    } catch (failure) {
      notifications.show({ color: "red", title: "Not taken back", message: words(failure) });
    }
    ownStateChanged();
    setBusy(false);
  }
  return (
    <Button size="compact-xs" variant="default" loading={busy} onClick={() => void send()}>
      Take back
    </Button>
  );
}
