import { Card, Page } from "../app/Page";
import { Table } from "../app/Table";
import { fullTime } from "../app/times";
import { grouped } from "../domain/decimal";
import { Audits } from "./HealthPage";
import classes from "./operator.module.css";
import { Asked, Status } from "./Parts";
import { useInvariants } from "./queries";
import type { Invariants } from "./types";

const Holds = ({ holds }: { holds: boolean }) => <Status tone={holds ? "good" : "bad"}>{holds ? "holds" : "BROKEN"}</Status>;

export function InvariantsPage() {
  const invariants = useInvariants();
  return (
    <Page
      title="Invariants"
      right={invariants.data && <span className="dim">as of {fullTime(invariants.data.checked_at)}</span>}
    >
      <Asked query={invariants}>{(data) => <Sums sums={data} />}</Asked>
    </Page>
  );
}

function Sums({ sums }: { sums: Invariants }) {
  const wrong = [...sums.I1, ...sums.I2, ...sums.I3, ...sums.I4].filter((row) => !row.holds).length;
  return (
    <>
      <div className={`${classes.banner} ${wrong === 0 ? classes.good : classes.bad}`} role="status">
        {wrong === 0
          ? "I1 to I4 hold for every asset and market."
          : `${wrong} rows are broken. The audits halt the markets they concern.`}
      </div>
      <Card title="I1: everything owned is owed by custody, and nothing else is">
        <Table
          loose
          label="I1"
          empty="No asset is listed."
          rows={sums.I1}
          id={(row) => row.currency}
          columns={[
            { head: "Asset", cell: (row) => row.currency },
            { head: "Traders", right: true, cell: (row) => grouped(row.traders) },
            { head: "Fees", right: true, cell: (row) => grouped(row.fees) },
            { head: "Custody", right: true, cell: (row) => grouped(row.custody) },
            { head: "Sum", right: true, cell: (row) => grouped(row.sum) },
            { head: "Actions", actions: true, cell: (row) => <Holds holds={row.holds} /> },
          ]}
        />
      </Card>
      <Card title="I2 and I3: no balance is negative; what is held is what orders need">
        <Table
          loose
          label="I2 and I3"
          empty="No asset is listed."
          rows={sums.I3}
          id={(row) => row.currency}
          columns={[
            { head: "Asset", cell: (row) => row.currency },
            {
              head: "Negative",
              right: true,
              cell: (row) => sums.I2.find((two) => two.currency === row.currency)?.negative_balances ?? 0,
            },
            { head: "Held", right: true, cell: (row) => grouped(row.held) },
            { head: "Needed", right: true, cell: (row) => grouped(row.needed) },
            { head: "Accounts that differ", right: true, cell: (row) => row.differing_accounts },
            {
              head: "Actions",
              actions: true,
              cell: (row) => (
                <Holds holds={row.holds && (sums.I2.find((two) => two.currency === row.currency)?.holds ?? true)} />
              ),
            },
          ]}
        />
      </Card>
      <Card title="I4: the ledger has settled the journal's own entries">
        <Table
          loose
          label="I4"
          empty="Nothing was settled yet."
          rows={sums.I4}
          id={(row) => row.product_id}
          columns={[
            { head: "Market", cell: (row) => row.product_id },
            { head: "Settled up to", right: true, cell: (row) => row.settled_seq },
            { head: "Hash", cell: (row) => <span className={classes.mono}>{row.hash.slice(0, 24)}…</span> },
            { head: "Actions", actions: true, cell: (row) => <Holds holds={row.holds} /> },
          ]}
        />
      </Card>
      <Audits audits={sums.audits} />
      <Card title="Findings">
        <Table
          loose
          label="Findings"
          empty="No audit has ever found anything."
          rows={sums.findings}
          id={(row) => `${row.audit} ${row.market} ${row.invariant} ${row.subject}`}
          columns={[
            { head: "Invariant", cell: (row) => <Status tone="bad">{row.invariant}</Status> },
            { head: "Market", cell: (row) => row.market || "all" },
            { head: "Subject", cell: (row) => row.subject },
            { head: "What", cell: (row) => row.what },
            { head: "Times", right: true, cell: (row) => row.times },
            { head: "Last found", cell: (row) => <span className={classes.nowrap}>{fullTime(row.last_found_at)}</span> },
          ]}
        />
      </Card>
    </>
  );
}
