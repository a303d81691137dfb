import { describe, expect, it } from 'vitest'
import { alignColumns, formatAge, formatBytes, formatMany, formatShare } from '../../../src/cli/figures.ts'

describe('figures for people', () => {
  it.each([
    [0, '0 B'],
    [1_023, '1023 B'],
    [1_024, '1.0 KiB'],
    [1_048_576, '1.0 MiB'],
    [5 * 1024 ** 5, '5120.0 TiB'],
  ])('tell %d bytes in the largest fitting unit', (bytes, text) => expect(formatBytes(bytes)).toBe(text))

  it.each([
    [-3_000, '0 s'],
    [1_999, '1 s'],
    [119_000, '119 s'],
    [120_000, '2 min'],
    [7_200_000, '2 h'],
    [172_800_000, '2 d'],
  ])('tell an age of %d ms', (ms, text) => expect(formatAge(ms)).toBe(text))

  it('separate thousands and count one as one', () => {
    expect(formatMany(1, 'row')).toBe('1 row')
    expect(formatMany(12_345, 'row')).toBe('12,345 rows')
    expect(formatMany(2, 'entry', 'entries')).toBe('2 entries')
  })

  it('tell shares in percent', () => expect(formatShare(0.9876)).toBe('98.8 %'))

  it('line up: words to the left, figures to the right', () => {
    const rows = [
      ['table', 'rows'],
      ['entries', '5'],
    ]
    expect(alignColumns(rows)).toBe('table     rows\nentries      5')
  })
})
