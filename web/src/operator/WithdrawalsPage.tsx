import { NativeSelect } from "@mantine/core";
import { useState } from "react";
import { Link, useSearchParams } from "react-router";
import { Card, Page } from "../app/Page";
import { Table } from "../app/Table";
import { fullTime } from "../app/times";
import { grouped } from "../domain/decimal";
import { addressText } from "../domain/withdrawal";
import { type Act, ActDialog, Decide, type Decision, deciding } from "./ActDialog";
import classes from "./operator.module.css";
import { Asked, Older, Status } from "./Parts";
import { useWithdrawals } from "./queries";
import type { Withdrawal } from "./types";

/** A withdrawal that is approved can still be refused, until it is sent. */
const MAY: Record<string, Decision[]> = { requested: ["approve", "refuse"], approved: ["refuse"] };
const STATUSES = ["requested", "approved", "sent", "completed", "returned", "refused", "canceled"];

const decide = (row: Withdrawal, decision: Decision): Act =>
  deciding(
    "/admin/withdrawals",
    row,
    decision,
    decision === "approve" ? `It is paid out to ${target(row)}.` : "The amount goes back to the account at once.",
    decision === "approve" ? "The withdrawal is approved." : "The withdrawal is refused.",
  );

const target = (row: Withdrawal): string =>
  row.details.crypto_address
    ? addressText(row.details.crypto_address, row.details.destination_tag)
    : `${row.details.method === "payment-method" ? "bank account " : ""}${row.details.coinbase_payment_method_id ?? ""}`;

/** What waits for an operator comes first; the rest is there to look at. */
export function WithdrawalsPage() {
  const [search, setSearch] = useSearchParams();
  const status = search.get("status") ?? "requested";
  const withdrawals = useWithdrawals(status, { after: search.get("after") ?? undefined });
  const [act, setAct] = useState<Act | null>(null);
  return (
    <Page
      title="Withdrawals"
      right={
        <NativeSelect
          size="xs"
          aria-label="Status"
          value={status}
          onChange={(event) => setSearch({ status: event.currentTarget.value })}
          data={STATUSES}
        />
      }
    >
      <Asked query={withdrawals}>
        {({ rows, after }) => (
          <Card title={status === "requested" ? "To approve" : status} right={<Older after={after} keep={{ status }} />}>
            <Table
              loose
              label="Withdrawals"
              empty={status === "requested" ? "Nothing waits for an approval." : "There is none."}
              rows={rows}
              id={(row) => row.id}
              columns={[
                {
                  head: "Asked",
                  minor: true,
                  cell: (row) => <span className={classes.nowrap}>{fullTime(row.created_at)}</span>,
                },
                {
                  head: "Account",
                  cell: (row) => <Link to={`/operator/accounts/${row.profile_id}`}>{row.profile_id.slice(0, 8)}</Link>,
                },
                { head: "Amount", right: true, cell: (row) => `${grouped(row.amount)} ${row.currency}` },
                { head: "Fee", right: true, cell: (row) => row.details.fee ?? "—" },
                { head: "To", cell: (row) => <span className={classes.mono}>{target(row)}</span> },
                { head: "Status", cell: (row) => <Status tone="plain">{row.status}</Status> },
                {
                  head: "Actions",
                  actions: true,
                  cell: (row) =>
                    MAY[row.status] && <Decide may={MAY[row.status]!} onDecide={(decision) => setAct(decide(row, decision))} />,
                },
              ]}
            />
          </Card>
        )}
      </Asked>
      {act !== null && <ActDialog act={act} onClose={() => setAct(null)} />}
    </Page>
  );
}
