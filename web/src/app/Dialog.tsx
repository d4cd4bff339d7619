import { Modal, type ModalProps } from "@mantine/core";
import { useEffect, useState } from "react";

/**
 * A dialog that stands as long as it is drawn. When it goes, the focus is again where it was, for who works with the keyboard:
 * what it was opened from may have been drawn anew meanwhile, but is the same element.
 */
export function Dialog({ children, ...props }: Omit<ModalProps, "opened" | "closeButtonProps" | "returnFocus">) {
  const [opener] = useState(() => document.activeElement);
  useEffect(
    () => () => {
      // Behind what the leaving dialog itself does with the focus.
      setTimeout(() => {
        if (opener instanceof HTMLElement && opener.isConnected) opener.focus({ preventScroll: true });
      });
    },
    [opener],
  );
  return (
    <Modal opened returnFocus={false} size="sm" closeButtonProps={{ "aria-label": "Close" }} {...props}>
      {children}
    </Modal>
  );
}
