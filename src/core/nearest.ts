// Which known name was probably meant by an unknown one.

const MAX_EDITS = 3 // beyond, any short name resembles any other

/** The known name that takes the fewest edits, if few suffice; a shared beginning counts as two (`connection` for `connectionString`). */
export function nearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  let fewest = Math.min(MAX_EDITS, Math.ceil(name.length / 2)) + 1
  for (const candidate of known) {
    const edits = Math.min(
      editDistance(name.toLowerCase(), candidate.toLowerCase()),
      beginsAlike(name, candidate),
    )
    if (edits < fewest) [best, fewest] = [candidate, edits]
  }
  return best
}

function beginsAlike(name: string, candidate: string): number {
  return candidate.startsWith(name) || name.startsWith(candidate) ? 2 : Number.POSITIVE_INFINITY
}

/** Levenshtein, one row at a time. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, column) => column)
  for (let i = 0; i < from.length; i += 1) {
    const next = [i + 1]
    for (let column = 0; column < to.length; column += 1) {
      const replaced = at(row, column) + (from[i] === to[column] ? 0 : 1)
      next.push(Math.min(replaced, at(row, column + 1) + 1, at(next, column) + 1))
    }
    row = next
  }
  return at(row, to.length)
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY
}
