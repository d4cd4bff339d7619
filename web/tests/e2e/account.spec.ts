/** What is between a person and their session: a lost password, a second factor, an e-mail to confirm, a session that ends. */
import { expect, type Page, type Route, test } from "@playwright/test";
import { cognito, PASSWORD, readConfig, Trader, totp } from "./exchange.mjs";
import { BASE, form, live, signIn } from "./screen";

const OTHER_PASSWORD = "Another-staple-2-cart";

/** The local pool takes any code and mails none: a wrong one is answered in the service's own words. */
async function refuseOnce(page: Page, operation: string, name: string): Promise<void> {
  let refused = false;
  const { cognito: at } = await readConfig(BASE);
  await page.route(`${at.endpoint}/**`, async (route: Route) => {
    if (refused || !route.request().headers()["x-amz-target"]?.endsWith(`.${operation}`)) return route.fallback();
    refused = true;
    await route.fulfill({
      status: 400,
      headers: { "access-control-allow-origin": "*", "content-type": "application/x-amz-json-1.1" },
      json: { __type: name, message: "refused by the test" },
    });
  });
}

const code = async (page: Page, digits: string): Promise<void> => {
  await page.getByLabel("Digit of the code").first().focus();
  await page.keyboard.type(digits);
};

async function enter(page: Page, email: string, password: string): Promise<void> {
  await page.getByLabel("E-mail").fill(email);
  await page.getByRole("textbox", { name: "Password" }).fill(password);
  await page.locator("form").getByRole("button", { name: "Sign in", exact: true }).click();
}

test("a lost password is reset by a code, and the old one is worth nothing", async ({ page }) => {
  const trader = await Trader.make(BASE);
  await page.goto("/sign-in?to=%2Fsettings");
  await page.getByRole("button", { name: "Forgot the password?" }).click();
  await page.getByLabel("E-mail").fill(trader.email);
  await page.getByRole("button", { name: "Send a code" }).click();
  await expect(page.getByRole("status")).toContainText("a code is on its way");
  await refuseOnce(page, "ConfirmForgotPassword", "CodeMismatchException");
  await page.getByRole("textbox", { name: "New password" }).fill("too-short");
  await code(page, "000000");
  await page.getByRole("button", { name: "Go on" }).click();
  await expect(page.getByText("Twelve characters or more, with")).toBeVisible();
  await page.getByRole("textbox", { name: "New password" }).fill(OTHER_PASSWORD);
  await page.getByRole("button", { name: "Go on" }).click();
  await expect(page.getByRole("alert")).toContainText("That code is not right");
  await page.getByRole("button", { name: "Send another code" }).click();
  await expect(page.getByRole("status")).toContainText("another code");
  await code(page, "654321");
  await page.getByRole("button", { name: "Go on" }).click();
  await page.waitForURL((url) => url.pathname === "/settings");
  await expect(page.getByRole("heading", { name: "Settings" })).toBeVisible();

  await page.getByRole("button", { name: /^Account of/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.waitForURL((url) => url.pathname === "/sign-in");
  await enter(page, trader.email, PASSWORD);
  await expect(page.getByRole("alert")).toContainText("E-mail or password is wrong");
  await enter(page, trader.email, OTHER_PASSWORD);
  await page.waitForURL((url) => url.pathname === "/settings");
});

test("a password is changed by who knows it", async ({ page, browser }) => {
  const trader = await Trader.make(BASE);
  await signIn(page, trader, "/settings");
  const card = page.getByRole("region", { name: "Password" });
  const change = async (current: string, next: string): Promise<void> => {
    await card.getByRole("textbox", { name: "Current password" }).fill(current);
    await card.getByRole("textbox", { name: "New password" }).fill(next);
    await card.getByRole("button", { name: "Change the password" }).click();
  };
  await change("Wrong-horse-1-battery", OTHER_PASSWORD);
  await expect(card.getByRole("alert")).toContainText("The current password is not right");
  await change(PASSWORD, "short");
  await expect(card).toContainText("Twelve characters or more, with");
  await change(PASSWORD, OTHER_PASSWORD);
  await expect(page.getByText("Password changed")).toBeVisible();
  await expect(card.getByRole("textbox", { name: "New password" })).toHaveValue("");
  const other = await (await browser.newContext()).newPage();
  await other.goto("/sign-in");
  await enter(other, trader.email, PASSWORD);
  await expect(other.getByRole("alert")).toContainText("wrong");
  await enter(other, trader.email, OTHER_PASSWORD);
  await other.waitForURL("**/trade/**");
});

test("a second factor is set up, asked for at the next sign-in, and switched off", async ({ page, browser }) => {
  const trader = await Trader.make(BASE);
  await signIn(page, trader, "/settings");
  const card = page.getByRole("region", { name: "Second factor" });
  await expect(card.getByTestId("mfa-state")).toHaveText("Off");
  await card.getByRole("button", { name: "Set up" }).click();
  const secret = (await page.getByTestId("totp-secret").textContent())!.trim();
  await code(page, String((Number(totp(secret)) + 1) % 1_000_000).padStart(6, "0"));
  await page.getByRole("button", { name: "Switch on" }).click();
  await expect(page.getByRole("dialog").getByRole("alert")).toContainText("That code is not right");
  await code(page, totp(secret));
  await page.getByRole("button", { name: "Switch on" }).click();
  await expect(card.getByTestId("mfa-state")).toHaveText("On");

  const other = await (await browser.newContext()).newPage();
  await other.goto("/sign-in?to=%2Fsettings");
  await enter(other, trader.email, PASSWORD);
  await expect(other.getByRole("heading", { name: "Second factor" })).toBeVisible();
  await code(other, String((Number(totp(secret)) + 1) % 1_000_000).padStart(6, "0"));
  await other.getByRole("button", { name: "Go on" }).click();
  await expect(other.getByRole("alert")).toBeVisible();
  if (await other.getByLabel("Digit of the code").first().isHidden()) await enter(other, trader.email, PASSWORD);
  await code(other, totp(secret));
  await other.getByRole("button", { name: "Go on" }).click();
  await other.waitForURL((url) => url.pathname === "/settings");

  await card.getByRole("button", { name: "Switch off" }).click();
  await expect(card.getByTestId("mfa-state")).toHaveText("Off");
});

test("where a sign-up is not confirmed by itself, a code from an e-mail does it", async ({ page }) => {
  // A pool without the sandbox's trigger, as a production stage has it.
  const config = await readConfig(BASE);
  const { UserPool } = await cognito(config, "CreateUserPool", {
    PoolName: "mails",
    UsernameAttributes: ["email"],
    AutoVerifiedAttributes: ["email"],
  });
  const { UserPoolClient } = await cognito(config, "CreateUserPoolClient", {
    UserPoolId: UserPool.Id,
    ClientName: "screen",
    ExplicitAuthFlows: ["ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
  });
  await page.route("**/config.json", (route) =>
    route.fulfill({
      json: { ...config, cognito: { ...config.cognito, userPoolId: UserPool.Id, userPoolClientId: UserPoolClient.ClientId } },
    }),
  );
  const email = `${crypto.randomUUID()}@example.com`;
  const status = async (): Promise<string> =>
    (await cognito(config, "AdminGetUser", { UserPoolId: UserPool.Id, Username: email })).UserStatus;
  await page.goto("/sign-up");
  await page.getByLabel("E-mail").fill(email);
  await page.getByRole("textbox", { name: "Password" }).fill(PASSWORD);
  await page.locator("form").getByRole("button", { name: "Open account", exact: true }).click();
  await expect(page.getByRole("heading", { name: "Confirm your e-mail" })).toBeVisible();
  expect(await status()).toBe("UNCONFIRMED");
  // Who comes back later is asked for the code as well.
  await page.goto("/sign-in");
  await enter(page, email, PASSWORD);
  await expect(page.getByRole("heading", { name: "Confirm your e-mail" })).toBeVisible();
  await refuseOnce(page, "ConfirmSignUp", "ExpiredCodeException");
  await code(page, "123456");
  await page.getByRole("button", { name: "Go on" }).click();
  await expect(page.getByRole("alert")).toContainText("too old");
  await page.getByRole("button", { name: "Send another code" }).click();
  await code(page, "123456");
  await page.getByRole("button", { name: "Go on" }).click();
  await page.waitForURL("**/trade/**");
  expect(await status()).toBe("CONFIRMED");
});

test("a session that the exchange does not take any more ends in words, and goes on where it was", async ({ page }) => {
  const trader = await Trader.make(BASE, { USD: "100" });
  await signIn(page, trader, "/wallet");
  await expect(page.locator('tr[data-currency="USD"]').first()).toContainText("100.00");
  // Another key has signed it: what a pool that was made anew, or a revoked token, looks like to the screen.
  await page.evaluate(() => {
    for (const key of Object.keys(localStorage).filter((name) => name.endsWith(".accessToken"))) {
      localStorage.setItem(key, localStorage.getItem(key)!.replace(/\.[^.]*$/, ".AAAA"));
    }
  });
  await page.getByRole("button", { name: "Deposit USD" }).click();
  await page.getByRole("button", { name: "Take from the faucet" }).click();
  await page.waitForURL("**/sign-in?to=%2Fwallet");
  await expect(page.getByText("Your session is over. Sign in again.")).toBeVisible();
  await expect(page.getByText("100.00")).toBeHidden();
  await signIn(page, trader, "/wallet");
  await expect(page.locator('tr[data-currency="USD"]').first()).toContainText("100.00");
  // Its tokens are gone, as after years: the next question ends it, on a page that is open to all as well.
  await page.goto("/trade/BTC-USD");
  await live(page);
  await expect(form(page).getByTestId("available")).toContainText("100.00");
  await page.evaluate(() => localStorage.clear());
  await form(page).getByRole("textbox", { name: "Price" }).fill("1000");
  await form(page).getByRole("textbox", { name: "Size" }).first().fill("0.01");
  await form(page).getByRole("button", { name: "Buy BTC" }).click();
  await expect(form(page).getByRole("link", { name: "Sign in to trade" })).toBeVisible();
});

test("signing out in one tab signs out in the others, and the next user sees nothing of the last", async ({
  page,
  context,
}) => {
  const [rich, poor] = [await Trader.make(BASE, { USD: "777000" }), await Trader.make(BASE)];
  await signIn(page, rich, "/wallet");
  const total = page.locator('tr[data-currency="USD"]').first();
  await expect(total).toContainText("777,000.00");
  const tab = await context.newPage();
  await tab.goto("/wallet");
  await expect(tab.locator('tr[data-currency="USD"]').first()).toContainText("777,000.00");
  await tab.getByRole("button", { name: /^Account of/ }).click();
  await tab.getByRole("menuitem", { name: "Sign out" }).click();
  await page.waitForURL((url) => url.pathname === "/sign-in");
  // What comes late must not be preceded by what was there.
  await page.route("**/accounts", async (route) => {
    await new Promise((done) => setTimeout(done, 1_500));
    await route.continue();
  });
  await enter(page, poor.email, PASSWORD);
  await page.waitForURL((url) => url.pathname === "/wallet");
  await expect(page.getByRole("heading", { name: "Wallet" })).toBeVisible();
  expect(await page.getByText("777,000.00").count()).toBe(0);
  await expect(total).toContainText("0.00");
});
