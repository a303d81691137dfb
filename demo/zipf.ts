// Popularity as it is on the web: the second choice is asked for half as often as the first, the third a third as often.

export function createZipf<T>(choices: readonly T[]): () => T {
  const cumulative: number[] = []
  let total = 0
  for (let rank = 1; rank <= choices.length; rank++) cumulative.push((total += 1 / rank))

  return () => {
    const wanted = Math.random() * total
    let low = 0
    let high = choices.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      if ((cumulative[middle] ?? 0) < wanted) low = middle + 1
      else high = middle
    }
    return choices[low] as T
  }
}
