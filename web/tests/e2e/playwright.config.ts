import { defineConfig } from "@playwright/test";

// The exchange is started by tests/e2e/test_screen.py, which names its address. Deadlines are generous: the machine that
// runs everything is slow at times, and no test depends on being fast.
export default defineConfig({
  testDir: ".",
  outputDir: "../../test-results",
  workers: 1,
  fullyParallel: false,
  timeout: 90_000,
  expect: { timeout: 30_000 },
  reporter: [["line"]],
  use: {
    baseURL: process.env.EXCHANGE_URL,
    viewport: { width: 1440, height: 900 },
    colorScheme: "dark",
    actionTimeout: 30_000,
    navigationTimeout: 60_000,
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"],
    },
  },
});
