import { Button } from "@mantine/core";
import { Link, useParams } from "react-router";
import { Card, Page } from "../app/Page";
import { Table } from "../app/Table";
import { fullTime } from "../app/times";
import classes from "./operator.module.css";
import { Asked, Status } from "./Parts";
import { useEntry } from "./queries";
import type { Entry, Told } from "./types";

/** One journal entry: what was asked, what came of it, and how it hangs in the chain. */
export function EntryPage() {
  const { productId = "", seq = "" } = useParams();
  const entry = useEntry(productId, seq);
  const list = `/operator/journal/${productId}`;
  return (
    <Page
      title={`${productId}, entry ${seq}`}
      right={
        <div className={classes.pager}>
          {Number(seq) > 1 && (
            <Button size="xs" variant="default" component={Link} to={`${list}/${Number(seq) - 1}`}>
              Before
            </Button>
          )}
          <Button size="xs" variant="default" component={Link} to={`${list}/${Number(seq) + 1}`}>
            Next
          </Button>
          <Button size="xs" variant="default" component={Link} to={`${list}?after=${Number(seq) + 25}`}>
            All entries
          </Button>
        </div>
      }
    >
      <Asked query={entry}>{(found) => <Shown entry={found} />}</Asked>
    </Page>
  );
}

const Shown = ({ entry }: { entry: Entry }) => (
  <>
    <Card
      title="Entry"
      right={
        <Status tone={entry.verified ? "good" : "bad"}>{entry.verified ? "verified" : (entry.trouble ?? "broken")}</Status>
      }
    >
      <dl className={`${classes.facts} ${classes.wide}`}>
        {facts(entry).map(([name, value]) => [
          <dt key={name}>{name}</dt>,
          <dd key={`${name} value`} className={name.endsWith("ash") ? classes.mono : "num"}>
            {value}
          </dd>,
        ])}
      </dl>
    </Card>
    <Records title="Commands" rows={entry.commands ?? []} />
    <Records title="Events" rows={entry.events ?? []} />
  </>
);

const facts = (entry: Entry): [string, string][] =>
  (
    [
      ["At", entry.at && fullTime(entry.at)],
      ["Sequence of the feed", entry.sequence],
      ["Core", entry.core_version],
      ["Queue messages", entry.first_queue_sequence && `${entry.first_queue_sequence} to ${entry.last_queue_sequence}`],
      ["Bytes", entry.bytes],
      ["Hash", entry.hash],
      ["Previous hash", entry.prev_hash],
      ["State hash", entry.state_hash],
    ] as [string, string | number | undefined][]
  )
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, String(value)]);

const Records = ({ title, rows }: { title: string; rows: Told[] }) => (
  <Card title={`${title} (${rows.length})`}>
    <Table
      loose
      label={title}
      empty="None."
      rows={rows.map((row, index) => ({ row, index }))}
      id={({ index }) => String(index)}
      columns={[
        { head: "#", right: true, cell: ({ index }) => index },
        { head: "Kind", cell: ({ row }) => <b>{row.kind.replaceAll("_", " ")}</b> },
        { head: "What", cell: ({ row }) => <Fields row={row} /> },
      ]}
    />
  </Card>
);

const Fields = ({ row }: { row: Told }) => (
  <span className={classes.fields}>
    {Object.entries(row)
      .filter(([name]) => name !== "kind")
      .map(([name, value]) => (
        <span key={name} className={`${classes.field} num`}>
          <span>{name.replaceAll("_", " ")}</span>
          {Array.isArray(value) ? value.join(", ") : String(value)}
        </span>
      ))}
  </span>
);
