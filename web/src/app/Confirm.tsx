import { Button, Group } from "@mantine/core";
import type { ReactNode } from "react";
import { Dialog } from "./Dialog";
import { Refused } from "./Sending";

interface Props {
  title: string;
  /** What comes of it. */
  children: ReactNode;
  /** The words of the two buttons. */
  keep: string;
  action: string;
  busy?: boolean;
  refused?: string;
  onClose: () => void;
  onConfirm: () => void;
}

/** Asks before something is done that cannot be taken back. */
export const Confirm = ({ title, children, keep, action, busy, refused, onClose, onConfirm }: Props) => (
  <Dialog onClose={onClose} title={title}>
    <p style={{ marginTop: 0, overflowWrap: "anywhere" }}>{children}</p>
    <Refused style={{ marginBottom: 12 }}>{refused}</Refused>
    <Group justify="flex-end" gap="sm">
      <Button variant="default" onClick={onClose}>
        {keep}
      </Button>
      <Button color="red" loading={busy} onClick={onConfirm}>
        {action}
      </Button>
    </Group>
  </Dialog>
);
