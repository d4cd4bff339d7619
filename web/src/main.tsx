import "@mantine/core/styles.layer.css";
import "@mantine/notifications/styles.layer.css";
import "./app/global.css";
import { createRoot } from "react-dom/client";
import { App } from "./app/App";
import { loadConfig } from "./app/config";
import { restoreSession } from "./auth/session";

const root = createRoot(document.getElementById("root")!);
try {
  await loadConfig();
  void restoreSession();
  root.render(<App />);
} catch (failure) {
  root.render(<p style={{ padding: 24, fontFamily: "system-ui" }}>The screen cannot start: {String(failure)}</p>);
}
