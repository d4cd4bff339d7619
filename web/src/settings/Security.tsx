import { Button, PasswordInput, PinInput, Text } from "@mantine/core";
import { useForm } from "@mantine/form";
import { notifications } from "@mantine/notifications";
import { useQuery } from "@tanstack/react-query";
import { QRCodeSVG } from "qrcode.react";
import { useState } from "react";
import { queries } from "../api/cache";
import { Dialog } from "../app/Dialog";
import { Card } from "../app/Page";
import classes from "../app/page.module.css";
import { Refused, useSending } from "../app/Sending";
import { passwordProblem } from "../auth/SignInPage";
import { useSession } from "../auth/session";
import { authWords } from "../auth/words";

/** The second factor and the password. */
export function Security() {
  const { data: second } = useQuery({
    queryKey: ["mfa"],
    queryFn: async () => {
      const { enabled, preferred } = await (await import("../auth/cognito")).fetchMFAPreference();
      return enabled?.includes("TOTP") || preferred === "TOTP";
    },
  });
  const [adding, setAdding] = useState(false);

  async function switchOff(): Promise<void> {
    try {
      await (await import("../auth/cognito")).updateMFAPreference({ totp: "DISABLED" });
    } catch (failure) {
      notifications.show({ color: "red", title: "Not switched off", message: authWords(failure) });
    }
    void queries.invalidateQueries({ queryKey: ["mfa"] });
  }

  return (
    <>
      <Card
        title="Second factor"
        right={
          <span className="dim" data-testid="mfa-state">
            {second === undefined ? "" : second ? "On" : "Off"}
          </span>
        }
      >
        <div className={classes.body}>
          <Text size="sm" c="dimmed">
            A code of an authenticator app, asked for at each sign-in besides the password.
          </Text>
          {second ? (
            <Button size="xs" variant="default" onClick={() => void switchOff()}>
              Switch off
            </Button>
          ) : (
            <Button size="xs" onClick={() => setAdding(true)}>
              Set up
            </Button>
          )}
        </div>
      </Card>
      <Password />
      {adding && <SetUp onClose={() => setAdding(false)} />}
    </>
  );
}

function SetUp({ onClose }: { onClose: () => void }) {
  const { email } = useSession();
  const [code, setCode] = useState("");
  const { busy, refused, sending } = useSending((failure) => {
    setCode("");
    return authWords(failure);
  });
  const { data, error } = useQuery({
    queryKey: ["totp-secret"],
    gcTime: 0,
    staleTime: Number.POSITIVE_INFINITY,
    retry: false,
    queryFn: async () => {
      const made = await (await import("../auth/cognito")).setUpTOTP();
      return { secret: made.sharedSecret, uri: made.getSetupUri("Lambda Exchange", email).toString() };
    },
  });

  const verify = (): Promise<void> =>
    sending(async () => {
      const cognito = await import("../auth/cognito");
      await cognito.verifyTOTPSetup({ code });
      await cognito.updateMFAPreference({ totp: "PREFERRED" });
      await queries.invalidateQueries({ queryKey: ["mfa"] });
      notifications.show({ color: "teal", title: "Second factor is on", message: "The next sign-in asks for a code." });
      onClose();
    });

  return (
    <Dialog onClose={onClose} title="Set up the second factor">
      <div className={classes.form}>
        {error !== null && <Refused>{authWords(error)}</Refused>}
        {data !== undefined && (
          <>
            <Text size="sm">Scan this with your authenticator app, or type the secret into it.</Text>
            <div style={{ background: "#fff", padding: 12, alignSelf: "center", borderRadius: 4 }}>
              <QRCodeSVG value={data.uri} size={168} title="Code for your authenticator app" />
            </div>
            <div className={classes.secret} data-testid="totp-secret">
              {data.secret}
            </div>
            <Text size="sm" fw={500} id="totp-label">
              The code that it shows
            </Text>
            <PinInput
              length={6}
              type="number"
              oneTimeCode
              value={code}
              onChange={setCode}
              aria-labelledby="totp-label"
              ariaLabel="Digit of the code"
            />
            <Refused>{refused}</Refused>
            <Button loading={busy} disabled={code.length !== 6} onClick={() => void verify()}>
              Switch on
            </Button>
          </>
        )}
      </div>
    </Dialog>
  );
}

function Password() {
  const { busy, refused, sending } = useSending((failure) => {
    const wrong = (failure as { name?: string }).name === "NotAuthorizedException";
    return wrong ? "The current password is not right." : authWords(failure);
  });
  const form = useForm({
    initialValues: { oldPassword: "", newPassword: "" },
    validate: { oldPassword: (value) => (value ? null : "Your current password"), newPassword: passwordProblem },
  });
  const send = (values: { oldPassword: string; newPassword: string }): Promise<void> =>
    sending(async () => {
      await (await import("../auth/cognito")).updatePassword(values);
      form.reset();
      notifications.show({ color: "teal", title: "Password changed", message: "Use the new one from now on." });
    });
  return (
    <Card title="Password">
      <form className={classes.body} onSubmit={form.onSubmit(send)} style={{ maxWidth: 380, alignItems: "stretch" }}>
        <PasswordInput label="Current password" autoComplete="current-password" {...form.getInputProps("oldPassword")} />
        <PasswordInput
          label="New password"
          description="Twelve characters or more: upper case, lower case, a digit"
          autoComplete="new-password"
          {...form.getInputProps("newPassword")}
        />
        <Refused>{refused}</Refused>
        <Button type="submit" size="xs" loading={busy} style={{ alignSelf: "flex-start" }}>
          Change the password
        </Button>
      </form>
    </Card>
  );
}
