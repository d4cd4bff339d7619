import { Route, Routes } from "react-router";

/** The operator's console: its pages, below /operator. */
export function OperatorPages() {
  return (
    <Routes>
      <Route index element={<main>Operator console</main>} />
    </Routes>
  );
}
