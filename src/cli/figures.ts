// Figures for people: few digits, a unit, columns that line up.

const BYTE_UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'] as const

const AGE_UNITS = [
  { unit: 'd', ms: 86_400_000 },
  { unit: 'h', ms: 3_600_000 },
  { unit: 'min', ms: 60_000 },
  { unit: 's', ms: 1_000 },
] as const

export function formatCount(count: number): string {
  return count.toLocaleString('en')
}

export function formatMany(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`
}

export function formatShare(share: number): string {
  return `${(share * 100).toLocaleString('en', { maximumFractionDigits: 1 })} %`
}

export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), BYTE_UNITS.length - 1)
  const digits = power === 0 ? 0 : 1
  return `${(bytes / 1024 ** power).toFixed(digits)} ${BYTE_UNITS[power]}`
}

/** Two of any unit are told in it: 119 s, 2 min. A database clock that was set back gives 0. */
export function formatAge(ms: number): string {
  const { unit, ms: size } = AGE_UNITS.find((each) => ms >= 2 * each.ms) ?? { unit: 's', ms: 1_000 }
  return `${Math.max(0, Math.floor(ms / size))} ${unit}`
}

/** The first column to the left, the others, being figures, to the right. */
export function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  )
  return rows
    .map((row) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0
          return column === 0 ? cell.padEnd(width) : cell.padStart(width)
        })
        .join('   '),
    )
    .join('\n')
}
