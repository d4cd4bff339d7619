import { createBrowserRouter, Navigate, type RouteObject } from "react-router";
import { Shell } from "./Shell";

/** Pages are chunks of their own. No path here may begin like a route of the API: both live at one address locally. */
const routes: RouteObject[] = [
  {
    element: <Shell />,
    HydrateFallback: () => null,
    children: [
      { index: true, element: <Navigate to="/trade/BTC-USD" replace /> },
      { path: "trade/:productId", lazy: async () => ({ Component: (await import("../trade/TradePage")).TradePage }) },
      { path: "trade", element: <Navigate to="/trade/BTC-USD" replace /> },
      {
        path: "sign-up",
        lazy: async () => {
          const { SignInPage } = await import("../auth/SignInPage");
          return { element: <SignInPage key="sign-up" first="sign-up" /> };
        },
      },
      { path: "sign-in", lazy: async () => ({ Component: (await import("../auth/SignInPage")).SignInPage }) },
      { path: "wallet", lazy: async () => ({ Component: (await import("../wallet/WalletPage")).WalletPage }) },
      { path: "activity", lazy: async () => ({ Component: (await import("../activity/ActivityPage")).ActivityPage }) },
      { path: "settings", lazy: async () => ({ Component: (await import("../settings/SettingsPage")).SettingsPage }) },
      // The console adds its own pages below this route; see src/operator/.
      { path: "operator/*", lazy: async () => ({ Component: (await import("../operator/OperatorGate")).OperatorGate }) },
      { path: "*", element: <Navigate to="/" replace /> },
    ],
  },
];

export const router = createBrowserRouter(routes);
