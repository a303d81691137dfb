// Whether a value should be loaded again before its time is up. Probabilistic, after Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic
// Cache Stampede Prevention" (VLDB 2015): the nearer the end, the likelier, so that of many callers and processes a few come early and not all at once.

// At the beginning of the window one call in 55 refreshes, halfway one in 7, at the end every one.
const STEEPNESS = 4

/** `windowMs`: how long before the end refreshing begins. `random` is in [0, 1). */
export function isDueEarly(remainingMs: number, windowMs: number, random: number): boolean {
  return remainingMs < windowMs && remainingMs <= (-windowMs / STEEPNESS) * Math.log(1 - random)
}
