// A bar for each contender, on a logarithmic scale where they differ by orders of magnitude.

import { GRID } from './palette.ts'
import { type Axis, formatTick, linearAxis, logAxis } from './scale.ts'
import { element, picture, text } from './svg.ts'

export interface Bar {
  readonly label: string
  readonly colour: string
  readonly median: number
  readonly low: number
  readonly high: number
}

export interface BarGroup {
  readonly title: string
  readonly bars: readonly Bar[]
}

const WIDTH = 760
const LEFT = 250
const RIGHT = 84
const TOP = 40
const BAR = 16
const GAP = 6
const GROUP_TITLE = 26
const WIDE_RANGE = 20

export function barChart(title: string, unit: string, groups: readonly BarGroup[]): string {
  const bars = groups.flatMap((group) => group.bars)
  const axis = axisFor(bars)
  const xOf = (value: number): number => LEFT + axis.position(value) * (WIDTH - LEFT - RIGHT)
  const content: string[] = []
  let y = TOP
  for (const group of groups) {
    content.push(text(16, y + 16, group.title, { 'font-weight': 600 }))
    y += GROUP_TITLE
    for (const { label, colour, median, low, high } of group.bars) {
      const middle = y + BAR / 2
      content.push(
        text(LEFT - 8, middle + 4, label, { 'text-anchor': 'end' }),
        element('rect', { x: LEFT, y, width: Math.max(1, xOf(median) - LEFT), height: BAR, fill: colour }),
        element('line', { x1: xOf(low), x2: xOf(high), y1: middle, y2: middle, stroke: 'black' }),
        text(Math.max(xOf(median), xOf(high)) + 6, middle + 4, formatTick(median)),
      )
      y += BAR + GAP
    }
    y += GAP
  }
  const grid = axis.ticks.flatMap((tick) => [
    element('line', { x1: xOf(tick), x2: xOf(tick), y1: TOP, y2: y, stroke: GRID }),
    text(xOf(tick), y + 16, formatTick(tick), { 'text-anchor': 'middle' }),
  ])
  const unitLine = text((LEFT + WIDTH - RIGHT) / 2, y + 36, unit, { 'text-anchor': 'middle' })
  return picture(WIDTH, y + 48, title, [...grid, ...content, unitLine])
}

function axisFor(bars: readonly Bar[]): Axis {
  const values = bars.flatMap(({ low, median, high }) => [low, median, high]).filter((value) => value > 0)
  const smallest = Math.min(...values)
  const largest = Math.max(...values)
  return largest / smallest > WIDE_RANGE ? logAxis(smallest, largest) : linearAxis(largest)
}
