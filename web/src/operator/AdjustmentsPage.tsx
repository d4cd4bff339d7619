import { NativeSelect } from "@mantine/core";
import { useState } from "react";
import { Link, useSearchParams } from "react-router";
import { Card, Page } from "../app/Page";
import { Table } from "../app/Table";
import { fullTime } from "../app/times";
import { useSession } from "../auth/session";
import { grouped } from "../domain/decimal";
import { type Act, ActDialog, Decide, type Decision, deciding } from "./ActDialog";
import classes from "./operator.module.css";
import { Asked, Older, Status } from "./Parts";
import { useAdjustments } from "./queries";
import type { Adjustment } from "./types";

const decide = (row: Adjustment, decision: Decision): Act =>
  deciding(
    "/admin/adjustments",
    row,
    decision,
    `Asked for because: ${row.reason}`,
    decision === "approve" ? "The adjustment is booked." : "The adjustment is refused.",
  );

/** Corrections by two operators: who asked cannot approve. Ask for one on an account's page. */
export function AdjustmentsPage() {
  const { userId } = useSession();
  const [search, setSearch] = useSearchParams();
  const status = search.get("status") ?? "requested";
  const adjustments = useAdjustments(status, { after: search.get("after") ?? undefined });
  const [act, setAct] = useState<Act | null>(null);
  return (
    <Page
      title="Adjustments"
      right={
        <NativeSelect
          size="xs"
          aria-label="Status"
          value={status}
          onChange={(event) => setSearch({ status: event.currentTarget.value })}
          data={["requested", "approved", "refused"]}
        />
      }
    >
      <Asked query={adjustments}>
        {({ rows, after }) => (
          <Card
            title={status === "requested" ? "For a second operator" : status}
            right={<Older after={after} keep={{ status }} />}
          >
            <Table
              loose
              label="Adjustments"
              empty={status === "requested" ? "Nothing waits for a second operator." : "There is none."}
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
                  cell: (row) => <Link to={`/operator/accounts/${row.account_id}`}>{row.account_id.slice(0, 8)}</Link>,
                },
                { head: "Amount", right: true, cell: (row) => `${grouped(row.amount)} ${row.currency}` },
                { head: "Why", cell: (row) => row.reason },
                {
                  head: "By",
                  cell: (row) => <span className={classes.mono}>{row.requested_by === userId ? "you" : row.requested_by}</span>,
                },
                { head: "Status", cell: (row) => <Status tone="plain">{row.status}</Status> },
                {
                  head: "Actions",
                  actions: true,
                  cell: (row) =>
                    row.status === "requested" &&
                    (row.requested_by === userId ? (
                      <span className="dim">another operator decides</span>
                    ) : (
                      <Decide may={["approve", "refuse"]} onDecide={(decision) => setAct(decide(row, decision))} />
                    )),
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
