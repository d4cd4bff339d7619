import { Button, NativeSelect } from "@mantine/core";
import { Link, useNavigate, useParams, useSearchParams } from "react-router";
import { Card, Page } from "../app/Page";
import { Table } from "../app/Table";
import { fullTime } from "../app/times";
import classes from "./operator.module.css";
import { Asked, Status } from "./Parts";
import { useAdminMarkets, useJournal } from "./queries";
import type { EntryRow } from "./types";

const counted = (kinds: Record<string, number> | undefined): string =>
  Object.entries(kinds ?? {})
    .map(([kind, count]) => (count === 1 ? kind : `${count} ${kind}`))
    .join(", ");

/** The entries of one market, newest first. The first page follows the journal; older ones stand still. */
export function JournalPage() {
  const { productId = "" } = useParams();
  const markets = useAdminMarkets().data ?? [];
  const navigate = useNavigate();
  const [search] = useSearchParams();
  const cursor = { after: search.get("after") ?? undefined, before: search.get("before") ?? undefined };
  const journal = useJournal(productId, cursor);
  const newest = cursor.after === undefined && cursor.before === undefined;
  return (
    <Page
      title="Journal"
      right={
        <NativeSelect
          size="xs"
          aria-label="Market"
          value={productId}
          onChange={(event) => navigate(`/operator/journal/${event.currentTarget.value}`)}
          data={markets.length > 0 ? markets.map((market) => market.product_id) : [productId]}
        />
      }
    >
      <Asked query={journal}>
        {({ rows, after, before }) => (
          <Card
            title={rows.length > 0 ? `Entries ${rows[rows.length - 1]?.seq} to ${rows[0]?.seq}` : "Entries"}
            right={
              <div className={classes.pager}>
                {!newest && (
                  <Button size="xs" variant="default" component={Link} to="?">
                    Newest
                  </Button>
                )}
                {!newest && before !== undefined && (
                  <Button size="xs" variant="default" component={Link} to={`?before=${before}`}>
                    Newer
                  </Button>
                )}
                {after !== undefined && (
                  <Button size="xs" variant="default" component={Link} to={`?after=${after}`}>
                    Older
                  </Button>
                )}
              </div>
            }
          >
            <Entries productId={productId} rows={rows} />
          </Card>
        )}
      </Asked>
    </Page>
  );
}

const Entries = ({ productId, rows }: { productId: string; rows: EntryRow[] }) => (
  <Table
    loose
    label="Journal entries"
    empty="There is no entry here."
    rows={rows}
    id={(row) => String(row.seq)}
    columns={[
      { head: "Entry", right: true, cell: (row) => <Link to={`/operator/journal/${productId}/${row.seq}`}>{row.seq}</Link> },
      { head: "At", cell: (row) => <span className={classes.nowrap}>{row.at ? fullTime(row.at) : "—"}</span> },
      { head: "Commands", cell: (row) => counted(row.commands) },
      { head: "Events", cell: (row) => counted(row.events) },
      { head: "Sequence", right: true, cell: (row) => row.sequence ?? "—" },
      { head: "Hash", cell: (row) => <span className={classes.mono}>{row.hash ? `${row.hash.slice(0, 12)}…` : "—"}</span> },
      {
        head: "Chain",
        cell: (row) => (
          <Status tone={row.verified ? "good" : "bad"}>{row.verified ? "verified" : (row.trouble ?? "broken")}</Status>
        ),
      },
    ]}
  />
);
