import { Card, Page } from "../app/Page";
import { Table } from "../app/Table";
import { fullTime } from "../app/times";
import classes from "./operator.module.css";
import { Asked, Status, seconds, type Tone } from "./Parts";
import { useHealth } from "./queries";
import type { AuditRun, Health } from "./types";

export function HealthPage() {
  const health = useHealth();
  return (
    <Page title="Health" right={health.data && <span className="dim">as of {fullTime(health.data.time)}</span>}>
      <Asked query={health}>{(data) => <Figures health={data} />}</Asked>
    </Page>
  );
}

function Figures({ health }: { health: Health }) {
  const dead = health.queues.filter((row) => row.dead && row.waiting + row.in_flight > 0);
  // How old a message may be depends on its queue: the exchange says which of them is in trouble.
  const troubled = new Set(health.troubles.map((row) => row.subject));
  return (
    <>
      <div className={`${classes.banner} ${health.healthy ? classes.good : classes.bad}`} role="status">
        {health.healthy ? "Nothing is wrong." : `${health.troubles.length + health.unreachable.length} things need a look.`}
      </div>
      {!health.healthy && (
        <Card title="What is wrong">
          <Table
            loose
            label="What is wrong"
            empty=""
            rows={[
              ...health.troubles,
              ...health.unreachable.map((row) => ({
                what: "unreachable",
                subject: row.part,
                text: `cannot be read: ${row.text}`,
              })),
            ]}
            id={(row) => `${row.what} ${row.subject} ${row.text}`}
            columns={[
              { head: "What", cell: (row) => <Status tone="bad">{row.what.replaceAll("-", " ")}</Status> },
              { head: "Where", cell: (row) => row.subject },
              { head: "Found", cell: (row) => row.text },
            ]}
          />
        </Card>
      )}
      <Card
        title="Queues"
        right={<span className="dim">{dead.length === 0 ? "no dead letters" : `${dead.length} with dead letters`}</span>}
      >
        <Table
          loose
          label="Queues"
          empty="No queue could be read."
          rows={health.queues.filter((row) => !row.dead || row.waiting + row.in_flight > 0)}
          id={(row) => row.name}
          columns={[
            { head: "Queue", cell: (row) => <Status tone={troubled.has(row.name) ? "bad" : "good"}>{row.name}</Status> },
            { head: "Waiting", right: true, cell: (row) => row.waiting },
            { head: "In flight", right: true, cell: (row) => row.in_flight },
            {
              head: "Oldest",
              right: true,
              cell: (row) => (row.oldest_age_s === undefined ? "not known" : seconds(row.oldest_age_s)),
            },
          ]}
        />
      </Card>
      <Card title="Followers of the journal">
        <Table
          loose
          label="Followers of the journal"
          empty="No market could be read."
          rows={health.markets}
          id={(row) => row.product_id}
          columns={[
            {
              head: "Market",
              cell: (row) => <Status tone={row.status === "online" ? "good" : "bad"}>{row.product_id}</Status>,
            },
            { head: "Journal", right: true, cell: (row) => row.journal.seq },
            { head: "Settled", right: true, cell: (row) => row.settle.seq },
            { head: "behind", right: true, cell: (row) => (row.settle.lag === 0 ? "—" : seconds(row.settle.lag_s)) },
            { head: "Published", right: true, cell: (row) => row.feed.seq },
            { head: "behind ", right: true, cell: (row) => (row.feed.lag === 0 ? "—" : seconds(row.feed.lag_s)) },
            {
              head: "Last halt",
              cell: (row) => (row.last_halt ? `${fullTime(row.last_halt.at)}: ${row.last_halt.reason}` : "never"),
            },
          ]}
        />
      </Card>
      <Audits audits={health.audits} />
      <Card title="Withdrawals under way">
        <Table
          loose
          label="Withdrawals under way"
          empty="None waits for the custody."
          rows={health.withdrawals}
          id={(row) => row.status}
          columns={[
            {
              head: "Status",
              cell: (row) => (row.status === "approved" ? "Approved, not sent yet" : "Sent, not answered yet"),
            },
            { head: "Count", right: true, cell: (row) => row.count },
            { head: "Oldest", right: true, cell: (row) => seconds(row.oldest_age_s) },
          ]}
        />
      </Card>
      {health.functions && (
        <Card title="Functions, last five minutes">
          <Table
            loose
            label="Functions"
            empty="None ran."
            rows={health.functions}
            id={(row) => row.function}
            columns={[
              { head: "Function", cell: (row) => row.function },
              { head: "Errors", right: true, cell: (row) => row.errors },
              { head: "Throttles", right: true, cell: (row) => row.throttles },
              { head: "Environments", right: true, cell: (row) => row.environments },
            ]}
          />
        </Card>
      )}
    </>
  );
}

const RESULTS: Record<AuditRun["result"], Tone> = { passed: "good", behind: "warn", failed: "bad", never: "warn" };

export const Audits = ({ audits }: { audits: AuditRun[] }) => (
  <Card title="Audits">
    <Table
      loose
      label="Audits"
      empty="No audit has run yet; the first runs within a minute."
      rows={audits}
      id={(row) => `${row.audit} ${row.market}`}
      columns={[
        {
          head: "Audit",
          cell: (row) => `${row.audit.replace(/^audit_/, "").replaceAll("_", " ")}${row.market ? `, ${row.market}` : ""}`,
        },
        { head: "Result", cell: (row) => <Status tone={RESULTS[row.result]}>{row.result === "never" ? "never ran" : row.result}</Status> },
        { head: "Last run", cell: (row) => <span className={classes.nowrap}>{row.started_at ? fullTime(row.started_at) : "–"}</span> },
        { head: "Took", right: true, cell: (row) => (row.duration_ms === undefined ? "–" : `${row.duration_ms} ms`) },
        { head: "Rows", right: true, cell: (row) => row.rows_checked?.toLocaleString() ?? "–" },
        { head: "Last failed", cell: (row) => (row.last_failed_at ? fullTime(row.last_failed_at) : "never") },
      ]}
    />
  </Card>
);
