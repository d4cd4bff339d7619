import { Alert, Button, Group, Modal, Stack, Text, TextInput } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { type FormEvent, type ReactNode, useState } from "react";
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

/** Asks for the reason of an act, and whether it is meant. `children`: further fields; `ready`: whether they are filled in. */
export function ActDialog({ act, onClose, children, ready = true }: { act: Act; onClose: () => void; children?: ReactNode; ready?: boolean }) {
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
    <Modal opened onClose={onClose} title={act.title} centered>
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
            data-autofocus={children === undefined ? true : undefined}
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
    </Modal>
  );
}
