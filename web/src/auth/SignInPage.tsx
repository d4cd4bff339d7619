import { Alert, Anchor, Button, Paper, PasswordInput, PinInput, Stack, Text, TextInput, Title } from "@mantine/core";
import { useForm } from "@mantine/form";
import { type ReactNode, useState } from "react";
import { Link, useNavigate, useSearchParams } from "react-router";
import { refreshSession } from "./session";
import { authWords } from "./words";

type Step = "sign-in" | "sign-up" | "confirm" | "totp" | "reset" | "new-password";

const TITLES: Record<Step, string> = {
  "sign-in": "Sign in",
  "sign-up": "Open an account",
  confirm: "Confirm your e-mail",
  totp: "Second factor",
  reset: "Reset your password",
  "new-password": "Choose a new password",
};

export const passwordProblem = (value: string): string | null =>
  value.length >= 12 && /[a-z]/.test(value) && /[A-Z]/.test(value) && /\d/.test(value)
    ? null
    : "Twelve characters or more, with an upper-case letter, a lower-case letter and a digit";

/** Every step between a stranger and a session: sign-up, confirmation, sign-in, second factor, password reset. */
export function SignInPage({ first = "sign-in" }: { first?: Step }) {
  const [step, setStep] = useState<Step>(first);
  const [trouble, setTrouble] = useState("");
  const [notice, setNotice] = useState("");
  const [busy, setBusy] = useState(false);
  const [search] = useSearchParams();
  const navigate = useNavigate();
  const form = useForm({
    mode: "controlled",
    initialValues: { email: "", password: "", code: "" },
    validate: {
      email: (value) => (/^\S+@\S+\.\S+$/.test(value) ? null : "An e-mail address, for example you@example.com"),
      password: (value) =>
        step === "sign-up" || step === "new-password"
          ? passwordProblem(value)
          : step === "sign-in" && value === ""
            ? "Your password"
            : null,
      code: (value) =>
        (step === "confirm" || step === "totp" || step === "new-password") && !/^\d{6}$/.test(value) ? "Six digits" : null,
    },
  });
  const { email, password, code } = form.values;

  function go(next: Step, told = ""): void {
    setStep(next);
    setTrouble("");
    setNotice(told);
    form.setFieldValue("code", "");
    form.clearErrors();
  }

  async function enter(): Promise<void> {
    await refreshSession();
    const to = search.get("to");
    await navigate(to?.startsWith("/") && !to.startsWith("//") ? to : "/", { replace: true });
  }

  async function signIn(): Promise<void> {
    const cognito = await import("./cognito");
    const { nextStep } = await cognito.signIn({ username: email, password }).catch(async (failure) => {
      if (failure.name !== "UserAlreadyAuthenticatedException") throw failure;
      await cognito.signOut();
      return cognito.signIn({ username: email, password });
    });
    switch (nextStep.signInStep) {
      case "DONE":
        return enter();
      case "CONFIRM_SIGN_IN_WITH_TOTP_CODE":
        return go("totp");
      case "CONFIRM_SIGN_UP":
        await cognito.resendSignUpCode({ username: email });
        return go("confirm", "We sent you a code.");
      case "RESET_PASSWORD":
        return go("reset", "Your password has to be reset.");
      default:
        throw new Error(`This screen has no step for ${nextStep.signInStep}.`);
    }
  }

  const act: Record<Step, () => Promise<void>> = {
    "sign-in": signIn,
    "sign-up": async () => {
      const cognito = await import("./cognito");
      const { nextStep } = await cognito.signUp({ username: email, password, options: { userAttributes: { email } } });
      if (nextStep.signUpStep === "CONFIRM_SIGN_UP") go("confirm", "We sent you a code.");
      else await signIn();
    },
    confirm: async () => {
      const cognito = await import("./cognito");
      await cognito.confirmSignUp({ username: email, confirmationCode: code });
      if (password) await signIn();
      else go("sign-in", "Confirmed. Sign in now.");
    },
    totp: async () => {
      const cognito = await import("./cognito");
      await cognito.confirmSignIn({ challengeResponse: code }).catch((failure) => {
        // A wrong code is answered as such; this is the end of the try itself.
        if (failure.name === "NotAuthorizedException" || failure.name === "SignInException") {
          go("sign-in");
          throw new Error("That took too long. Sign in again.");
        }
        throw failure;
      });
      await enter();
    },
    reset: async () => {
      const cognito = await import("./cognito");
      await cognito.resetPassword({ username: email });
      form.setFieldValue("password", "");
      go("new-password", "If this e-mail has an account, a code is on its way.");
    },
    "new-password": async () => {
      const cognito = await import("./cognito");
      await cognito.confirmResetPassword({ username: email, confirmationCode: code, newPassword: password });
      await signIn();
    },
  };

  const submit = (): Promise<void> => run(act[step]);

  /** Another code: the first may be lost, or too old by now. */
  const sendAgain = (): Promise<void> =>
    run(async () => {
      const cognito = await import("./cognito");
      if (step === "confirm") await cognito.resendSignUpCode({ username: email });
      else await cognito.resetPassword({ username: email });
      setNotice("We sent you another code.");
    });

  async function run(what: () => Promise<void>): Promise<void> {
    setBusy(true);
    setTrouble("");
    try {
      await what();
    } catch (failure) {
      setTrouble(authWords(failure));
      form.setFieldValue("code", "");
    } finally {
      setBusy(false);
    }
  }

  const link = (to: Step, text: string): ReactNode => (
    <Anchor component="button" type="button" size="sm" onClick={() => go(to)}>
      {text}
    </Anchor>
  );

  return (
    <main style={{ display: "grid", placeItems: "start center", padding: "8vh 16px" }}>
      <Paper withBorder p="xl" w="100%" maw={400} component="section" aria-labelledby="auth-title">
        <form onSubmit={form.onSubmit(submit)} noValidate>
          <Stack gap="md">
            <Title order={1} size="h3" id="auth-title">
              {TITLES[step]}
            </Title>
            {notice && (
              <Text size="sm" c="dimmed" role="status">
                {notice}
              </Text>
            )}
            {trouble && (
              <Alert color="red" variant="light" role="alert">
                {trouble}
              </Alert>
            )}
            <TextInput
              label="E-mail"
              type="email"
              autoComplete="username"
              autoFocus={step === "sign-in" || step === "sign-up"}
              disabled={step === "totp" || step === "confirm" || step === "new-password"}
              {...form.getInputProps("email")}
            />
            {(step === "confirm" || step === "totp" || step === "new-password") && (
              <div>
                <Text size="sm" fw={500} mb={4} id="code-label">
                  {step === "totp" ? "Code of your authenticator app" : "Code from the e-mail"}
                </Text>
                <PinInput
                  length={6}
                  type="number"
                  oneTimeCode
                  aria-labelledby="code-label"
                  ariaLabel="Digit of the code"
                  autoFocus
                  {...form.getInputProps("code")}
                  error={!!form.errors.code}
                />
              </div>
            )}
            {(step === "sign-in" || step === "sign-up" || step === "new-password") && (
              <PasswordInput
                label={step === "new-password" ? "New password" : "Password"}
                description={step === "sign-in" ? undefined : "Twelve characters or more: upper case, lower case, a digit"}
                autoComplete={step === "sign-in" ? "current-password" : "new-password"}
                {...form.getInputProps("password")}
              />
            )}
            <Button type="submit" loading={busy} fullWidth>
              {step === "sign-up"
                ? "Open account"
                : step === "reset"
                  ? "Send a code"
                  : step === "sign-in"
                    ? "Sign in"
                    : "Go on"}
            </Button>
            <div style={{ display: "flex", justifyContent: "space-between" }}>
              {step === "sign-in" ? link("sign-up", "Open an account") : link("sign-in", "Back to sign-in")}
              {step === "sign-in" && link("reset", "Forgot the password?")}
              {(step === "confirm" || step === "new-password") && (
                <Anchor component="button" type="button" size="sm" disabled={busy} onClick={() => void sendAgain()}>
                  Send another code
                </Anchor>
              )}
            </div>
            <Anchor component={Link} to="/" size="sm" c="dimmed">
              Look at the markets without an account
            </Anchor>
          </Stack>
        </form>
      </Paper>
    </main>
  );
}
