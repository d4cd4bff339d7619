import { Button, NativeSelect } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useState } from "react";
import { page } from "../api/client";
import { useLedger } from "../api/queries";
import type { AccountRow, LedgerRow } from "../api/types";
import { words } from "../api/words";
import { IconDownload } from "../app/icons";
import { Card } from "../app/Page";
import { Table } from "../app/Table";
import { When } from "../app/When";
import { toCsv } from "../domain/csv";
import { formatUnits, PLACES, units } from "../domain/decimal";

const TYPES: Record<string, string> = {
  match: "Trade",
  fee: "Fee",
  adjustment: "Adjustment",
};

/** Every change of a balance, and what caused it; all of it as a file on demand. */
export function LedgerCard({ accounts }: { accounts: AccountRow[] }) {
  const [chosen, setChosen] = useState("");
  const account = accounts.find((row) => row.id === chosen) ?? accounts.find((row) => row.currency === "USD") ?? accounts[0];
  const ledger = useLedger(account?.id);
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
    <Card
      title="Ledger"
      right={
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
      }
    >
      <Table
        label="Ledger"
        empty="Nothing has moved yet."
        rows={ledger.isPending ? undefined : ledger.rows}
        failure={ledger.error}
        more={ledger}
        id={(row) => row.id}
        columns={[
          { head: "Time", dim: true, cell: (row) => <When at={row.created_at} /> },
          { head: "Kind", cell: kindOf },
          { head: "Market", dim: true, minor: true, cell: (row) => row.details.product_id ?? "–" },
          { head: `Amount (${account.currency})`, right: true, cell: (row) => <Signed amount={row.amount} /> },
          {
            head: `Balance after (${account.currency})`,
            right: true,
            cell: (row) => formatUnits(units(row.balance), PLACES, { group: true }),
          },
        ]}
      />
    </Card>
  );
}

const kindOf = ({ type, amount }: LedgerRow): string =>
  type === "transfer" ? (amount.startsWith("-") ? "Withdrawal" : "Deposit") : (TYPES[type] ?? type);

const Signed = ({ amount }: { amount: string }) => (
  <span className={amount.startsWith("-") ? "" : "up"}>
    {amount.startsWith("-") ? "" : "+"}
    {formatUnits(units(amount), PLACES, { group: true })}
  </span>
);

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
