import classes from "../app/page.module.css";
import { SignedIn } from "../auth/SignedIn";
import { useSession } from "../auth/session";
import { ApiKeys } from "./ApiKeys";
import { Security } from "./Security";

export const SettingsPage = () => (
  <SignedIn>
    <Settings />
  </SignedIn>
);

function Settings() {
  const { email } = useSession();
  return (
    <main className={classes.page}>
      <div className={classes.head}>
        <h1>Settings</h1>
        <span className="dim">{email}</span>
      </div>
      <ApiKeys />
      <Security />
    </main>
  );
}
