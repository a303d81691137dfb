// A line for each contender over something that grows; bars show how far the rounds lie apart.

import { GRID, INK } from './palette.ts'
import { formatTick, linearAxis, stepAxis } from './scale.ts'
import { element, picture, text } from './svg.ts'

export interface Point {
  readonly x: number
  readonly median: number
  readonly low: number
  readonly high: number
}

export interface Line {
  readonly label: string
  readonly colour: string
  readonly points: readonly Point[]
}

const WIDTH = 760
const LEFT = 76
const RIGHT = 230
const TOP = 44
const PLOT_HEIGHT = 280
const HEIGHT = TOP + PLOT_HEIGHT + 52

export function lineChart(title: string, xTitle: string, yTitle: string, lines: readonly Line[]): string {
  const points = lines.flatMap((line) => line.points)
  const xs = [...new Set(points.map(({ x }) => x))].toSorted((a, b) => a - b)
  const xAxis = stepAxis(xs)
  const yAxis = linearAxis(Math.max(...points.map(({ high }) => high)))
  const xOf = (value: number): number => LEFT + xAxis.position(value) * (WIDTH - LEFT - RIGHT)
  const yOf = (value: number): number => TOP + PLOT_HEIGHT * (1 - yAxis.position(value))
  const end = WIDTH - RIGHT
  const bottom = TOP + PLOT_HEIGHT

  const grid = yAxis.ticks.flatMap((tick) => [
    element('line', { x1: LEFT, x2: end, y1: yOf(tick), y2: yOf(tick), stroke: GRID }),
    text(LEFT - 8, yOf(tick) + 4, formatTick(tick), { 'text-anchor': 'end' }),
  ])
  const below = xs.map((x) => text(xOf(x), bottom + 18, formatTick(x), { 'text-anchor': 'middle' }))
  const drawn = lines.flatMap(({ label, colour, points: own }, i) => [
    element('polyline', {
      points: own.map(({ x, median }) => `${xOf(x)},${yOf(median)}`).join(' '),
      fill: 'none',
      stroke: colour,
      'stroke-width': 2,
    }),
    ...own.flatMap(({ x, median, low, high }) => [
      element('line', { x1: xOf(x), x2: xOf(x), y1: yOf(low), y2: yOf(high), stroke: colour }),
      element('circle', { cx: xOf(x), cy: yOf(median), r: 3, fill: colour }),
    ]),
    element('rect', { x: end + 16, y: TOP + i * 20 - 9, width: 12, height: 12, fill: colour }),
    text(end + 34, TOP + i * 20 + 1, label),
  ])
  return picture(WIDTH, HEIGHT, title, [
    ...grid,
    element('line', { x1: LEFT, x2: end, y1: bottom, y2: bottom, stroke: INK }),
    ...below,
    text((LEFT + end) / 2, bottom + 40, xTitle, { 'text-anchor': 'middle' }),
    text(0, 0, yTitle, {
      transform: `translate(16 ${TOP + PLOT_HEIGHT / 2}) rotate(-90)`,
      'text-anchor': 'middle',
    }),
    ...drawn,
  ])
}
