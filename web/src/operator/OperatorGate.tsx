import { Loader } from "@mantine/core";
import { lazy, Suspense } from "react";
import { Navigate } from "react-router";
import { isOperator, useSession } from "../auth/session";

const OperatorPages = lazy(async () => ({ default: (await import("./OperatorPages")).OperatorPages }));

/** The console's code is loaded for operators only. The API checks the group again on every call. */
export function OperatorGate() {
  const session = useSession();
  if (session.status === "loading") return <Loader m="xl" aria-label="Loading" />;
  if (!isOperator(session)) return <Navigate to="/sign-in?to=/operator" replace />;
  return (
    <Suspense fallback={<Loader m="xl" aria-label="Loading" />}>
      <OperatorPages />
    </Suspense>
  );
}
