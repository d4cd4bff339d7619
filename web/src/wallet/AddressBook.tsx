import { Button } from "@mantine/core";
import { useState } from "react";
import { queries } from "../api/cache";
import { call } from "../api/client";
import { useAddresses } from "../api/queries";
import type { AddressRow } from "../api/types";
import { Confirm } from "../app/Confirm";
import { Card } from "../app/Page";
import { useSending } from "../app/Sending";
import { Table } from "../app/Table";
import { shortTime } from "../app/times";
import { When } from "../app/When";
import { addressText } from "../domain/withdrawal";

/** Where crypto may be withdrawn to, and from when on. Addresses are added where they are used: in the form of a withdrawal. */
export function AddressBook() {
  const { data, error } = useAddresses(true);
  const [removed, setRemoved] = useState<AddressRow | null>(null);
  return (
    <Card title="Address book">
      <Table
        label="Address book"
        empty="No addresses yet. One is added where coins are withdrawn."
        rows={data}
        failure={error}
        id={(row) => row.id}
        mark={(row) => ({ "data-address": row.address })}
        columns={[
          { head: "Currency", cell: (row) => <strong>{row.currency}</strong> },
          { head: "Name", wraps: true, cell: (row) => row.label || "–" },
          {
            head: "Address",
            wraps: true,
            cell: (row) => <span style={{ overflowWrap: "anywhere" }}>{addressText(row.address, row.destination_tag)}</span>,
          },
          { head: "Added", dim: true, minor: true, cell: (row) => <When at={row.address_book_added_at} /> },
          { head: "May be used", cell: usableText },
          {
            head: "Actions",
            actions: true,
            cell: (row) => (
              <Button
                size="compact-xs"
                variant="default"
                onClick={() => setRemoved(row)}
                aria-label={`Remove ${row.label || row.address}`}
              >
                Remove
              </Button>
            ),
          },
        ]}
      />
      {removed !== null && <RemoveDialog row={removed} onClose={() => setRemoved(null)} />}
    </Card>
  );
}

const usableText = (row: AddressRow): string =>
  row.trusted
    ? "Now"
    : row.address_book_entry_pending_until
      ? `From ${shortTime(row.address_book_entry_pending_until)}`
      : "Later";

function RemoveDialog({ row, onClose }: { row: AddressRow; onClose: () => void }) {
  const { busy, refused, sending } = useSending();
  const remove = (): Promise<void> =>
    sending(async () => {
      try {
        await call(`/address-book/${row.id}`, { method: "DELETE" });
      } finally {
        void queries.invalidateQueries({ queryKey: ["addresses"] });
      }
      onClose();
    });
  return (
    <Confirm
      title={`Remove ${row.label || "this address"}?`}
      keep="Keep it"
      action="Remove"
      busy={busy}
      refused={refused}
      onClose={onClose}
      onConfirm={() => void remove()}
    >
      {row.currency} cannot be withdrawn to {addressText(row.address, row.destination_tag)} any more. Added again, it has its
      waiting time anew. A withdrawal that is under way goes on.
    </Confirm>
  );
}
