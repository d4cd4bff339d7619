import { fullTime, shortTime } from "./times";

/** A time as short as it is clear, and in full on demand. */
export const When = ({ at }: { at: string }) => (
  <time dateTime={at} title={fullTime(at)}>
    {shortTime(at)}
  </time>
);
