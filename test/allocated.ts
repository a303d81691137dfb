const CALLS = 10_000

/** Bytes of heap for one call; without what the collector freed, and what is allocated once. */
export async function allocated(call: () => unknown): Promise<number> {
  const measured: number[] = []
  for (let round = 0; round < 20; round++) {
    const before = process.memoryUsage().heapUsed
    for (let i = 0; i < CALLS; i++) call()
    measured.push((process.memoryUsage().heapUsed - before) / CALLS)
    await new Promise((resolve) => void setImmediate(resolve))
  }
  return Math.min(...measured.filter((bytes) => bytes >= 0))
}
