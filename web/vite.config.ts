import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// `make run` serves build/screen at the application door. For work on the screen itself: `npm run dev` beside a running
// exchange on the usual ports; the API and the settings come from there.
const exchange = process.env.EXCHANGE ?? "http://127.0.0.1:8080";
const routes =
  "^/(config\\.json|time|currencies|products|orders|fills|accounts|fees|profiles|users|transfers|deposits|withdrawals|api-keys|admin|coinbase-accounts|payment-methods|proof)(/.*)?$";

export default defineConfig({
  plugins: [react()],
  build: { outDir: "../build/screen", emptyOutDir: true, target: "es2022", assetsInlineLimit: 0, chunkSizeWarningLimit: 700 },
  server: { port: 5173, proxy: { [routes]: exchange } },
});
