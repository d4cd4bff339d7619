/**
 * Who is signed in. Owns the session's state and hands out access tokens; the Cognito client itself (`cognito.ts`) is a
 * chunk of its own, loaded when somebody has signed in before or is about to.
 */
import { notifications } from "@mantine/notifications";
import { useSyncExternalStore } from "react";
import { config } from "../app/config";

export interface Session {
  status: "loading" | "signed-out" | "signed-in";
  email: string;
  userId: string;
  groups: readonly string[];
}

const SIGNED_OUT: Session = { status: "signed-out", email: "", userId: "", groups: [] };
let session: Session = { ...SIGNED_OUT, status: "loading" };
const listeners = new Set<() => void>();

function set(next: Session): void {
  session = next;
  for (const listener of listeners) listener();
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export const getSession = (): Session => session;
export const useSession = (): Session => useSyncExternalStore(subscribe, getSession);
export const onSessionChange = subscribe;
export const isOperator = (who: Session): boolean => who.groups.includes("operators");

/** At the start: without a trace of an earlier session nothing is loaded. */
export async function restoreSession(): Promise<void> {
  const { userPoolClientId } = config().cognito;
  if (localStorage.getItem(`CognitoIdentityServiceProvider.${userPoolClientId}.LastAuthUser`) === null) {
    set(SIGNED_OUT);
    return;
  }
  await refreshSession();
}

/** Reads the session again, after a sign-in for example. */
export async function refreshSession(): Promise<void> {
  const { readSession } = await import("./cognito");
  const found = await readSession();
  set(found === null ? SIGNED_OUT : { status: "signed-in", ...found });
}

/** A token that is still good, refreshed where it is about to end; null when nobody is signed in. */
export async function accessToken(): Promise<string | null> {
  if (session.status === "signed-out") return null;
  const { readToken } = await import("./cognito");
  return readToken();
}

export async function signOut(): Promise<void> {
  const { signOut: leave } = await import("./cognito");
  await leave();
  set(SIGNED_OUT);
}

/** The exchange did not take the token, or there is none any more: the session ended elsewhere. Who was signed in is told so. */
export function sessionEnded(): void {
  if (session.status !== "signed-in") return;
  set(SIGNED_OUT);
  notifications.show({
    color: "red",
    title: "You are signed out",
    message: "Your session is over. Sign in again.",
    autoClose: 10_000,
  });
  void import("./cognito")
    .then(({ signOut: leave }) => leave())
    .catch(() => {
      // Its tokens are worth nothing any more; what could not be revoked need not be.
    });
}

/** Another tab signed in or out: the tokens are the same for all of them. */
window.addEventListener("storage", ({ key }) => {
  if (session.status !== "loading" && (key === null || key.endsWith(".LastAuthUser"))) void restoreSession();
});
