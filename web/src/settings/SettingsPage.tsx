import { Page } from "../app/Page";
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
    <Page title="Settings" right={<span className="dim">{email}</span>}>
      <ApiKeys />
      <Security />
    </Page>
  );
}
