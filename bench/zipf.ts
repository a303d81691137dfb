// Popularity as it is found in the traffic of caches: the rank-r key is asked for in proportion to 1 / r^s.

const EXPONENT = 0.99 // as in YCSB

/** Draws ranks from 0 to count - 1, the first most often. */
export function createZipf(count: number): () => number {
  const cumulated = new Float64Array(count)
  let total = 0
  for (let rank = 0; rank < count; rank++) {
    total += 1 / (rank + 1) ** EXPONENT
    cumulated[rank] = total
  }
  return () => firstAbove(cumulated, Math.random() * total)
}

function firstAbove(sorted: Float64Array, wanted: number): number {
  let low = 0
  let high = sorted.length - 1
  while (low < high) {
    const middle = (low + high) >> 1
    if ((sorted[middle] as number) > wanted) high = middle
    else low = middle + 1
  }
  return low
}
