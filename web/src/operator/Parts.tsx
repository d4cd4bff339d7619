/** What the console's pages have in common, beside what all pages have. */
import { Alert, Button, Loader } from "@mantine/core";
import type { ReactNode } from "react";
import { Link, useSearchParams } from "react-router";
import { ApiError } from "../api/errors";
import classes from "./operator.module.css";

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
      {query.data !== undefined ? (
        children(query.data)
      ) : query.isPending && query.error === null ? (
        <Loader aria-label="Loading" />
      ) : null}
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
  value < 1
    ? "now"
    : value < 120
      ? `${Math.round(value)} s`
      : value < 7200
        ? `${Math.round(value / 60)} min`
        : `${Math.round(value / 3600)} h`;
