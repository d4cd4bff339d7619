import { Navigate, NavLink, Route, Routes } from "react-router";
import { AccountPage } from "./AccountPage";
import { AccountsPage } from "./AccountsPage";
import { ActionsPage } from "./ActionsPage";
import { AdjustmentsPage } from "./AdjustmentsPage";
import { EntryPage } from "./EntryPage";
import { FeesPage } from "./FeesPage";
import { HealthPage } from "./HealthPage";
import { InvariantsPage } from "./InvariantsPage";
import { JournalPage } from "./JournalPage";
import { MarketsPage } from "./MarketsPage";
import classes from "./operator.module.css";
import { WithdrawalsPage } from "./WithdrawalsPage";

const TABS = [
  ["markets", "Markets"],
  ["health", "Health"],
  ["invariants", "Invariants"],
  ["journal", "Journal"],
  ["withdrawals", "Withdrawals"],
  ["accounts", "Accounts"],
  ["adjustments", "Adjustments"],
  ["fees", "Fees"],
  ["acts", "Acts"],
] as const;

/** The operator's console: its pages, below /operator. */
export function OperatorPages() {
  return (
    <div className={classes.console}>
      <nav className={classes.tabs} aria-label="Operator console">
        {TABS.map(([path, name]) => (
          <NavLink key={path} to={`/operator/${path}`} className={classes.tab}>
            {name}
          </NavLink>
        ))}
      </nav>
      <Routes>
        <Route index element={<Navigate to="/operator/markets" replace />} />
        <Route path="markets" element={<MarketsPage />} />
        <Route path="health" element={<HealthPage />} />
        <Route path="invariants" element={<InvariantsPage />} />
        <Route path="journal" element={<Navigate to="/operator/journal/BTC-USD" replace />} />
        <Route path="journal/:productId" element={<JournalPage />} />
        <Route path="journal/:productId/:seq" element={<EntryPage />} />
        <Route path="withdrawals" element={<WithdrawalsPage />} />
        <Route path="accounts" element={<AccountsPage />} />
        <Route path="accounts/:accountId" element={<AccountPage />} />
        <Route path="adjustments" element={<AdjustmentsPage />} />
        <Route path="fees" element={<FeesPage />} />
        <Route path="acts" element={<ActionsPage />} />
        <Route path="*" element={<Navigate to="/operator/markets" replace />} />
      </Routes>
    </div>
  );
}
