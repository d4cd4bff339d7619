import { Button } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useMemo, useState } from "react";
import { call } from "../api/client";
import { ownStateChanged, useAccounts, useCurrencies, useMarkets, useTransfers } from "../api/queries";
import type { AccountRow, TransferRow } from "../api/types";
import { words } from "../api/words";
import { Card, Page } from "../app/Page";
import { Table } from "../app/Table";
import { When } from "../app/When";
import { SignedIn } from "../auth/SignedIn";
import { formatUnits, multiply, units } from "../domain/decimal";
import { addressText } from "../domain/withdrawal";
import { useOwnEvents } from "../feed/own";
import { type Ticker, useTickers } from "../feed/tickers";
import { moneyText } from "../trade/orderWords";
import { AddressBook } from "./AddressBook";
import { DepositForm } from "./DepositForm";
import { LedgerCard } from "./LedgerCard";
import { WithdrawForm } from "./WithdrawForm";

export const WalletPage = () => (
  <SignedIn>
    <Wallet />
  </SignedIn>
);

function Wallet() {
  const { data: accounts, error } = useAccounts();
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
    <Page
      title="Wallet"
      right={
        accounts !== undefined && (
          <span className="num dim">
            {known ? "Worth about " : "What has a price is worth about "}
            <strong style={{ color: "var(--text)", fontSize: 16 }}>
              {formatUnits(total, 2, { group: true, cut: true })} USD
            </strong>
          </span>
        )
      }
    >
      <Card title="Balances">
        <Table
          label="Balances"
          empty="No balances yet."
          rows={accounts}
          failure={error}
          id={(row) => row.id}
          mark={(row) => ({ "data-currency": row.currency })}
          columns={[
            {
              head: "Currency",
              cell: (row) => (
                <>
                  <strong>{row.currency}</strong>{" "}
                  <span className="dim wideOnly">{currencies?.find(({ id }) => id === row.currency)?.name}</span>
                </>
              ),
            },
            { head: "Available", right: true, cell: (row) => <Exact amount={row.available} currency={row.currency} /> },
            {
              head: "On hold",
              right: true,
              dim: true,
              minor: true,
              cell: (row) => <Exact amount={row.hold} currency={row.currency} />,
            },
            { head: "Total", right: true, cell: (row) => <Exact amount={row.balance} currency={row.currency} /> },
            { head: "Value (USD)", right: true, dim: true, minor: true, cell: (row) => dollarText(dollars(row, tickers)) },
            {
              head: "Actions",
              actions: true,
              cell: (row) => (
                <span className="buttons">
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
              ),
            },
          ]}
        />
      </Card>
      <Transfers />
      <AddressBook />
      <LedgerCard accounts={accounts ?? []} />
      {deposit !== null && <DepositForm currency={deposit} onClose={() => setDeposit(null)} />}
      {withdraw !== null && (
        <WithdrawForm
          account={withdraw}
          fiat={currencies?.find(({ id }) => id === withdraw.currency)?.details?.type === "fiat"}
          onClose={() => setWithdrawn(null)}
        />
      )}
    </Page>
  );
}

/** As dense as its currency is shown; all its digits on demand. */
const Exact = ({ amount, currency }: { amount: string; currency: string }) => (
  <span title={`${amount} ${currency}`}>{moneyText(amount, currency)}</span>
);

const dollarText = (value: bigint | undefined): string =>
  value === undefined ? "–" : formatUnits(value, 2, { group: true, cut: true });

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

const METHODS: Record<string, string> = { faucet: "Faucet", "payment-method": "Bank account", custody: "Custody" };

function Transfers() {
  const transfers = useTransfers();
  return (
    <Card title="Deposits and withdrawals">
      <Table
        label="Deposits and withdrawals"
        empty="No deposits or withdrawals yet."
        rows={transfers.isPending ? undefined : transfers.rows}
        failure={transfers.error}
        more={transfers}
        id={(row) => row.id}
        mark={(row) => ({ "data-transfer": row.id, "data-status": row.status })}
        columns={[
          { head: "Time", dim: true, cell: (row) => <When at={row.created_at} /> },
          { head: "Kind", cell: (row) => (row.type === "withdraw" ? "Withdrawal" : "Deposit") },
          { head: "Amount", right: true, cell: (row) => `${moneyText(row.amount, row.currency)} ${row.currency}` },
          {
            head: "Fee",
            right: true,
            dim: true,
            cell: (row) => (row.type === "withdraw" && row.details?.fee ? moneyText(row.details.fee, row.currency) : "–"),
          },
          {
            head: "From or to",
            dim: true,
            cell: (row) =>
              row.details?.crypto_address
                ? addressText(row.details.crypto_address, row.details.destination_tag)
                : (METHODS[row.details?.method ?? ""] ?? "–"),
          },
          { head: "Status", cell: (row) => STATUS[row.status] ?? row.status },
          {
            head: "Actions",
            actions: true,
            cell: (row) => row.type === "withdraw" && row.status === "requested" && <TakeBack row={row} />,
          },
        ]}
      />
    </Card>
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
        message: `${moneyText(row.amount, row.currency)} ${row.currency} is available again.`,
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
