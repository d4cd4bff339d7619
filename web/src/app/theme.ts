import { createTheme, type MantineColorsTuple } from "@mantine/core";

const gray: MantineColorsTuple = [
  "#f5f7f9",
  "#e9edf1",
  "#d7dde4",
  "#b9c2cc",
  "#8f9aa7",
  "#6b7785",
  "#515c69",
  "#3a434e",
  "#262d36",
  "#171c23",
];
const dark: MantineColorsTuple = [
  "#d3d9e0",
  "#a9b3be",
  "#8b96a3",
  "#5f6b79",
  "#39434f",
  "#28303a",
  "#1b2129",
  "#12171d",
  "#0d1116",
  "#090c10",
];
const accent: MantineColorsTuple = [
  "#e8f1ff",
  "#cfe0fc",
  "#a0c0f4",
  "#6d9eee",
  "#4482e8",
  "#2b70e4",
  "#1d66e2",
  "#0f56c9",
  "#044cb4",
  "#00419f",
];

export const theme = createTheme({
  primaryColor: "accent",
  primaryShade: { light: 7, dark: 5 },
  colors: { gray, dark, accent },
  fontFamily: 'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif',
  fontFamilyMonospace: 'ui-monospace, "SF Mono", SFMono-Regular, Menlo, Consolas, "Liberation Mono", monospace',
  fontSizes: { xs: "11px", sm: "12.5px", md: "14px", lg: "16px", xl: "19px" },
  spacing: { xs: "6px", sm: "8px", md: "12px", lg: "16px", xl: "24px" },
  defaultRadius: "sm",
  cursorType: "pointer",
  respectReducedMotion: true,
});
