import { Button, NativeSelect } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState } from "react";
import { page } from "../api/client";
import { useLedger } from "../api/queries";
import type { AccountRow, LedgerRow } from "../api/types";
import { words } from "../api/words";
import { IconDownload } from "../app/icons";
import classes from "../app/page.module.css";
import { fullTime } from "../app/times";
import { toCsv } from "../domain/csv";
import { formatUnits, PLACES, units } from "../domain/decimal";
import { Rows } from "../trade/OrdersPanel";

const TYPES: Record<string, string> = { match: "Trade", fee: "Fee", transfer: "Transfer", adjustment: "Adjustment" };

/** Every change of a balance, and what caused it; all of it as a file on demand. */
export function LedgerCard({ accounts }: { accounts: AccountRow[] }) {
  const [chosen, setChosen] = useState("");
  const account = accounts.find((row) => row.id === chosen) ?? accounts.find((row) => row.currency === "USD") ?? accounts[0];
  const { rows, isPending, hasNextPage, isFetchingNextPage, fetchNextPage } = useLedger(account?.id);
  const [busy, setBusy] = useState(false);

  async function save(row: AccountRow): Promise<void> {
    setBusy(true);
    try {
      download(`ledger-${row.currency}.csv`, await allRows(row));
    } catch (failure) {
      notifications.show({ color: "red", title: "No file", message: words(failure) });
    } finally {
      setBusy(false);
    }
  }

  if (account === undefined) return null;
  return (
    <section className={classes.card} aria-label="Ledger">
      <div className={classes.cardHead}>
        <h2>Ledger</h2>
        <span style={{ display: "inline-flex", gap: 8 }}>
          <NativeSelect
            size="xs"
            aria-label="Currency of the ledger"
            value={account.id}
            onChange={(event) => setChosen(event.currentTarget.value)}
            data={accounts.map((row) => ({ value: row.id, label: row.currency }))}
          />
          <Button size="xs" variant="default" leftSection={<IconDownload />} loading={busy} onClick={() => void save(account)}>
            CSV
          </Button>
        </span>
      </div>
      <Rows
        label="Ledger"
        empty="Nothing has moved yet."
        count={isPending ? undefined : rows.length}
        more={{ has: hasNextPage, loading: isFetchingNextPage, load: () => void fetchNextPage() }}
      >
        <thead>
          <tr>
            <th>Time</th>
            <th>Kind</th>
            <th>Market</th>
            <th className="right">Amount</th>
            <th className="right">Balance after</th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id}>
              <td className="dim">{fullTime(row.created_at)}</td>
              <td>{TYPES[row.type] ?? row.type}</td>
              <td className="dim">{row.details.product_id ?? "–"}</td>
              <td className={`right ${row.amount.startsWith("-") ? "" : "up"}`}>
                {row.amount.startsWith("-") ? "" : "+"}
                {formatUnits(units(row.amount), PLACES, { group: true })}
              </td>
              <td className="right">{formatUnits(units(row.balance), PLACES, { group: true })}</td>
            </tr>
          ))}
        </tbody>
      </Rows>
    </section>
  );
}

async function allRows(account: AccountRow): Promise<string> {
  const made: string[][] = [];
  let after: string | undefined;
  do {
    const answer = await page<LedgerRow>(`/accounts/${account.id}/ledger`, { query: { limit: 1000, after } });
    for (const row of answer.rows) {
      const { order_id = "", trade_id = "", product_id = "", transfer_id = "" } = row.details;
      made.push([
        row.created_at,
        row.id,
        row.type,
        row.amount,
        row.balance,
        account.currency,
        product_id,
        trade_id,
        order_id,
        transfer_id,
      ]);
    }
    after = answer.after;
  } while (after !== undefined);
  return toCsv(["time", "id", "type", "amount", "balance", "currency", "product", "trade", "order", "transfer"], made);
}

function download(name: string, text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: "text/csv" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}
