import { useSearchParams } from "react-router";
import { Card, Page } from "../app/Page";
import { Table } from "../app/Table";
import { fullTime } from "../app/times";
import classes from "./operator.module.css";
import { Asked, Older } from "./Parts";
import { useActions } from "./queries";

/** What operators did, when and why. */
export function ActionsPage() {
  const [search] = useSearchParams();
  const subject = search.get("subject") ?? "";
  const actions = useActions(subject, { after: search.get("after") ?? undefined });
  return (
    <Page title="What operators did">
      <Asked query={actions}>
        {({ rows, after }) => (
          <Card
            title={subject === "" ? "Acts" : `Acts of ${subject}`}
            right={<Older after={after} keep={subject === "" ? {} : { subject }} />}
          >
            <Table
              loose
              label="Acts"
              empty="No operator has done anything yet."
              rows={rows}
              id={(row) => row.id}
              columns={[
                { head: "At", cell: (row) => <span className={classes.nowrap}>{fullTime(row.at)}</span> },
                {
                  head: "What",
                  cell: (row) => <b className={classes.nowrap}>{row.action.replaceAll(".", " ").replaceAll("_", " ")}</b>,
                },
                { head: "Of", cell: (row) => row.subject },
                { head: "Why", cell: (row) => row.reason },
                { head: "Who", cell: (row) => <span className={classes.mono}>{row.operator}</span> },
              ]}
            />
          </Card>
        )}
      </Asked>
    </Page>
  );
}
