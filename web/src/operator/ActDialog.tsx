import { Alert, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { type FormEvent, type ReactNode, useState } from "react";
import { Dialog } from "../app/Dialog";
import { grouped } from "../domain/decimal";
import { told } from "./Parts";
import { useAct } from "./queries";

export interface Act {
  title: string;
  says: ReactNode;
  act: string;
  path: string;
  /** What goes into the body beside the reason. */
  body?: Record<string, unknown>;
  danger?: boolean;
  done: string;
}

export type Decision = "approve" | "refuse";
const DECISIONS: Record<Decision, string> = { approve: "Approve", refuse: "Refuse" };

/** The buttons of what waits for an operator; `may`: the decisions that are open. */
export const Decide = ({ may, onDecide }: { may: Decision[]; onDecide: (decision: Decision) => void }) => (
  <span className="buttons">
    {may.map((decision) => (
      <Button
        key={decision}
        size="compact-xs"
        variant={decision === "refuse" ? "outline" : "filled"}
        color={decision === "refuse" ? "red" : undefined}
        onClick={() => onDecide(decision)}
      >
        {DECISIONS[decision]}
      </Button>
    ))}
  </span>
);

interface Waiting {
  id: string;
  amount: string;
  currency: string;
}

/** The act of deciding one of `/admin/withdrawals` or `/admin/adjustments`. */
export const deciding = (path: string, row: Waiting, decision: Decision, says: string, done: string): Act => ({
  title: `${DECISIONS[decision]} ${grouped(row.amount)} ${row.currency}?`,
  says,
  act: DECISIONS[decision],
  path: `${path}/${row.id}/${decision}`,
  danger: decision === "refuse",
  done,
});

/** Asks for the reason of an act, and whether it is meant. `children`: further fields; `ready`: whether they are filled in. */
export function ActDialog({
  act,
  onClose,
  children,
  ready = true,
}: {
  act: Act;
  onClose: () => void;
  children?: ReactNode;
  ready?: boolean;
}) {
  const run = useAct();
  const [reason, setReason] = useState("");

  function send(event: FormEvent): void {
    event.preventDefault();
    run.mutate(
      { path: act.path, body: { ...act.body, reason: reason.trim() } },
      {
        onSuccess: () => {
          notifications.show({ message: act.done });
          onClose();
        },
      },
    );
  }

  return (
    <Dialog onClose={onClose} title={act.title} size="md" centered>
      <form onSubmit={send}>
        <Stack gap="md">
          <Text size="sm" component="div">
            {act.says}
          </Text>
          {children}
          <TextInput
            label="Reason"
            description="One line. It is kept with your name, and shown to other operators."
            required
            maxLength={500}
            value={reason}
            onChange={(event) => setReason(event.currentTarget.value)}
            data-autofocus={children ? undefined : true}
          />
          {run.error !== null && (
            <Alert color="red" role="alert">
              {told(run.error)}
            </Alert>
          )}
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={onClose}>
              Leave it
            </Button>
            <Button
              type="submit"
              color={act.danger ? "red" : undefined}
              loading={run.isPending}
              disabled={reason.trim() === "" || !ready}
            >
              {act.act}
            </Button>
          </Group>
        </Stack>
      </form>
    </Dialog>
  );
}
