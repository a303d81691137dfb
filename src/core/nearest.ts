// Which known name was probably meant by an unknown one: one that is spelt almost like it, or else one that shares its words.

const LETTERS_PER_EDIT = 3 // with more edits than that, any short name resembles any other
const MAX_EDITS = 3

export function nearest(name: string, known: readonly string[]): string | undefined {
  return spelt(name, known) ?? sharingWords(name, known)
}

/** The one that takes the fewest edits, if few suffice. */
function spelt(name: string, known: readonly string[]): string | undefined {
  const letters = wordsOf(name).join('')
  let best: string | undefined
  let fewest = Math.min(MAX_EDITS, Math.floor(letters.length / LETTERS_PER_EDIT)) + 1
  for (const candidate of known) {
    const edits = editDistance(letters, wordsOf(candidate).join(''))
    if (edits < fewest) [best, fewest] = [candidate, edits]
  }
  return best
}

/** The one that has all words of `name`, or whose words `name` has, and the fewest besides; undefined where several have. */
function sharingWords(name: string, known: readonly string[]): string | undefined {
  const words = wordsOf(name)
  const sharing = known
    .map((candidate) => ({ candidate, own: wordsOf(candidate) }))
    .filter(({ own }) => contains(own, words) || contains(words, own))
    .map(({ candidate, own }) => ({ candidate, besides: Math.abs(own.length - words.length) }))
    .toSorted((a, b) => a.besides - b.besides)
  const [first, second] = sharing
  return first?.besides === second?.besides ? undefined : first?.candidate
}

function wordsOf(name: string): string[] {
  const spaced = name.replaceAll(/([a-z\d])([A-Z])/g, '$1 $2').toLowerCase()
  return spaced.split(/[^a-z\d]+/).filter((word) => word !== '')
}

function contains(words: readonly string[], some: readonly string[]): boolean {
  return some.length > 0 && ` ${words.join(' ')} `.includes(` ${some.join(' ')} `)
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
