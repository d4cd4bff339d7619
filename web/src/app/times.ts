/** Times in the viewer's own zone. */
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const full = new Intl.DateTimeFormat(undefined, {
  year: "numeric",
  month: "short",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

export const clockTime = (at: number | string): string => clock.format(typeof at === "string" ? Date.parse(at) : at);
export const fullTime = (at: number | string): string => full.format(typeof at === "string" ? Date.parse(at) : at);
export const zoneName = (): string => Intl.DateTimeFormat().resolvedOptions().timeZone;
const short = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "2-digit",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
/** Today's by the clock alone, earlier ones with their day. */
export const shortTime = (at: string): string => {
  const when = new Date(at);
  return when.toDateString() === new Date().toDateString() ? clock.format(when) : short.format(when);
};
/** lightweight-charts draws UTC: what is added so that its axis shows the viewer's wall clock. */
export const zoneShiftS = (atS: number): number => -new Date(atS * 1000).getTimezoneOffset() * 60;
