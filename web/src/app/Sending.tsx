/** A form that sends something to the exchange. */
import { type ComponentProps, useState } from "react";
import { words } from "../api/words";
import classes from "./page.module.css";

/** Whether it is on its way, and why it was refused, in the words of `said`. */
export function useSending(said: (failure: unknown) => string = words) {
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState("");

  async function sending(what: () => Promise<void>): Promise<void> {
    setBusy(true);
    setRefused("");
    try {
      await what();
    } catch (failure) {
      setRefused(said(failure));
    } finally {
      setBusy(false);
    }
  }

  return { busy, refused, sending };
}

/** Why not; nothing while there is no reason. */
export const Refused = ({ children, ...props }: Omit<ComponentProps<"div">, "className" | "role">) =>
  children ? (
    <div className={classes.refused} role="alert" {...props}>
      {children}
    </div>
  ) : null;
