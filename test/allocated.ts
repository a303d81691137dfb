const CALLS = 10_000
// On a busy machine the compiler is late, and what is not optimised yet allocates more.
const ROUNDS_WITHOUT_GAIN = 50

/** Bytes of heap for one call; without what the collector freed, and what is allocated once. */
export async function allocated(call: () => unknown): Promise<number> {
  let least = Infinity
  for (let left = ROUNDS_WITHOUT_GAIN; left > 0; left--) {
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < CALLS; i++) call()
    const bytes = (process.memoryUsage().heapUsed - before) / CALLS
    if (bytes >= 0 && bytes < least) {
      least = bytes
      left = ROUNDS_WITHOUT_GAIN
    }
    await new Promise((resolve) => void setImmediate(resolve))
  }
  return least
}
