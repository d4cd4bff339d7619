import { useComputedColorScheme } from "@mantine/core";
import { useMemo } from "react";

export interface ChartColors {
  up: string;
  down: string;
  upSoft: string;
  downSoft: string;
  text: string;
  line: string;
  panel: string;
}

/** The charts draw on a canvas, which knows no CSS variables: their values, read again when the colours change. */
export function useChartColors(): ChartColors {
  const scheme = useComputedColorScheme("dark");
  // biome-ignore lint/correctness/useExhaustiveDependencies: the variables change with the scheme
  return useMemo(() => {
    const styles = getComputedStyle(document.documentElement);
    const read = (name: string): string => styles.getPropertyValue(name).trim();
    return {
      up: read("--up"),
      down: read("--down"),
      text: read("--dim"),
      line: read("--line"),
      panel: read("--panel"),
      upSoft: `${read("--up")}33`,
      downSoft: `${read("--down")}33`,
    };
  }, [scheme]);
}

/** What both charts look like. */
export const chartOptions = (colors: ChartColors) => ({
  autoSize: true,
  layout: {
    background: { color: "transparent" },
    textColor: colors.text,
    fontSize: 11,
    attributionLogo: false,
    fontFamily: 'ui-sans-serif, system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif',
  },
  grid: { vertLines: { color: `${colors.line}88` }, horzLines: { color: `${colors.line}88` } },
  rightPriceScale: { borderColor: colors.line },
  crosshair: {
    mode: 0,
    vertLine: { color: colors.text, labelBackgroundColor: colors.text },
    horzLine: { color: colors.text, labelBackgroundColor: colors.text },
  },
});
