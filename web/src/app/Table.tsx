import { Button } from "@mantine/core";
import type { ReactNode } from "react";
import { words } from "../api/words";
import classes from "./page.module.css";

export interface Column<Row> {
  head: string;
  right?: boolean;
  dim?: boolean;
  /** Left out where there is no room for it. */
  minor?: boolean;
  /** Breaks into lines where there is no room, so that no figure is cut. */
  wraps?: boolean;
  /** Buttons: they stay in sight while the rest scrolls, and their heading is for screen readers only. */
  actions?: boolean;
  cell: (row: Row) => ReactNode;
}

interface TableProps<Row> {
  label: string;
  columns: readonly Column<Row>[];
  /** Undefined while they are being read. */
  rows: readonly Row[] | undefined;
  failure?: Error | null;
  id: (row: Row) => string;
  empty: string;
  more?: { hasNextPage: boolean; isFetchingNextPage: boolean; fetchNextPage: () => unknown };
  /** Attributes of a row, by which tests find it. */
  mark?: (row: Row) => Record<`data-${string}`, string | number>;
  /** Long texts break into lines. */
  loose?: boolean;
}

/** Rows with all that belongs to them: scrolling by keyboard, a word when there are none or they cannot be read, older ones on demand. */
export function Table<Row>({ label, columns, rows, failure, id, empty, more, mark, loose }: TableProps<Row>) {
  if (rows === undefined) {
    return failure ? (
      <div className={classes.empty} role="alert">
        {words(failure)}
      </div>
    ) : (
      <div className={classes.empty} role="status">
        Reading
      </div>
    );
  }
  if (rows.length === 0) return <div className={classes.empty}>{empty}</div>;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached with the keyboard
    <div className="scroll" tabIndex={0} role="region" aria-label={label} style={{ flex: 1 }}>
      <table className={`rows num ${loose ? "loose" : ""}`}>
        <thead>
          <tr>
            {columns.map((column) => (
              <th key={column.head} scope="col" className={classesOf(column)}>
                {column.actions ? <span className="visually-hidden">{column.head}</span> : column.head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={id(row)} {...mark?.(row)}>
              {columns.map((column) => (
                <td key={column.head} className={`${classesOf(column)} ${column.dim ? "dim" : ""}`}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {more?.hasNextPage && (
        <div style={{ padding: 8, textAlign: "center" }}>
          <Button
            size="compact-xs"
            variant="default"
            loading={more.isFetchingNextPage}
            onClick={() => void more.fetchNextPage()}
          >
            Older rows
          </Button>
        </div>
      )}
    </div>
  );
}

const classesOf = ({ right, actions, minor, wraps }: Omit<Column<never>, "cell" | "head">): string =>
  `${right || actions ? "right" : ""} ${actions ? "actions" : ""} ${minor ? "minor" : ""} ${wraps ? "wraps" : ""}`;
