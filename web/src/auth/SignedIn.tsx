import { Loader } from "@mantine/core";
import type { ReactNode } from "react";
import { Navigate, useLocation } from "react-router";
import { useSession } from "./session";

/** Its children for who is signed in; the way to sign in for everybody else. */
export function SignedIn({ children }: { children: ReactNode }) {
  const { status } = useSession();
  const { pathname } = useLocation();
  if (status === "loading") return <Loader m="xl" aria-label="Loading" />;
  if (status === "signed-out") return <Navigate to={`/sign-in?to=${encodeURIComponent(pathname)}`} replace />;
  return children;
}
