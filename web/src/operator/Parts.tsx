/** What every page of the console is made of. */
import { Alert, Button, Loader } from "@mantine/core";
import type { ReactNode } from "react";
import { Link, useSearchParams } from "react-router";
import { ApiError } from "../api/errors";
import classes from "./operator.module.css";

export const Page = ({ title, right, children }: { title: string; right?: ReactNode; children: ReactNode }) => (
  <main className={classes.page}>
    <div className={classes.head}>
      <h1>{title}</h1>
      {right}
    </div>
    {children}
  </main>
);

export const Card = ({ title, right, children }: { title: string; right?: ReactNode; children: ReactNode }) => (
  <section className={classes.card} aria-label={title}>
    <div className={classes.cardHead}>
      <h2>{title}</h2>
      {right}
    </div>
    {children}
  </section>
);

/** To older rows and back to the newest; `keep` is what else stands in the address. */
export function Older({ after, keep }: { after: string | undefined; keep: Record<string, string> }) {
  const [search] = useSearchParams();
  const to = (more: Record<string, string>): string => `?${new URLSearchParams({ ...keep, ...more })}`;
  return (
    <div className={classes.pager}>
      {search.get("after") !== null && (
        <Button size="xs" variant="default" component={Link} to={to({})}>
          Newest
        </Button>
      )}
      {after !== undefined && (
        <Button size="xs" variant="default" component={Link} to={to({ after })}>
          Older
        </Button>
      )}
    </div>
  );
}

export type Tone = "good" | "bad" | "warn" | "plain";

/** A word with a dot; the dot's colour is never the only thing that tells. */
export const Status = ({ tone, children }: { tone: Tone; children: ReactNode }) => (
  <span className={`${classes.status} ${tone === "plain" ? "" : classes[tone]}`}>
    <span className={classes.dot} aria-hidden="true" />
    {children}
  </span>
);

export interface Column<Row> {
  head: string;
  right?: boolean;
  cell: (row: Row) => ReactNode;
}

interface TableProps<Row> {
  label: string;
  columns: Column<Row>[];
  rows: readonly Row[];
  id: (row: Row) => string;
  empty: string;
}

export function Table<Row>({ label, columns, rows, id, empty }: TableProps<Row>) {
  if (rows.length === 0) return <p className={classes.empty}>{empty}</p>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard
    <div className={classes.scroll} tabIndex={0} role="region" aria-label={label}>
      <table className={classes.table}>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.head} scope="col" className={column.right ? classes.right : undefined}>
                {column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={id(row)}>
              {columns.map((column) => (
                <td key={column.head} className={column.right ? `${classes.right} num` : undefined}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The answer, or that it is on its way, or why there is none. An old answer stays in sight while a new one fails. */
export function Asked<Data>({
  query,
  children,
}: {
  query: { data: Data | undefined; error: Error | null; isPending: boolean };
  children: (data: Data) => ReactNode;
}) {
  return (
    <>
      {query.error !== null && <Failure failure={query.error} />}
      {query.data !== undefined ? children(query.data) : query.isPending && query.error === null ? <Loader aria-label="Loading" /> : null}
    </>
  );
}

export const Failure = ({ failure }: { failure: Error }) => (
  <Alert color="red" title="The exchange did not answer as it should" role="alert">
    {told(failure)}
  </Alert>
);

/** In the exchange's own words: an operator is better served with them than with ours. */
export const told = (failure: Error): string =>
  failure instanceof ApiError && failure.code === "scope_missing"
    ? "You are not in the group operators, or your session is from before you were. Sign out and in again."
    : failure.message;

export const seconds = (value: number): string =>
  value < 1 ? "now" : value < 120 ? `${Math.round(value)} s` : value < 7200 ? `${Math.round(value / 60)} min` : `${Math.round(value / 3600)} h`;
