/** How long to wait before the n-th try to connect again (from 0): doubling, half of it by chance, 15 s at most. */
export function reconnectDelayMs(attempt: number, random: number): number {
  const whole = Math.min(15_000, 500 * 2 ** Math.min(attempt, 10));
  return whole / 2 + (whole / 2) * random;
}
