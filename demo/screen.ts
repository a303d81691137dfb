// Plain lines that read the same in a terminal and in a log; colours only where there are any.

import { styleText } from 'node:util'

const LABEL_WIDTH = 10

type Style = Parameters<typeof styleText>[0]

const hasColours = process.stdout.isTTY && process.stdout.hasColors()

function paint(style: Style, text: string): string {
  return hasColours ? styleText(style, text) : text
}

export function printTitle(text: string): void {
  console.log(`\n${paint('bold', text)}\n`)
}

export function printFact(label: string, text: string): void {
  console.log(`  ${paint('cyan', label.padEnd(LABEL_WIDTH))}${text}`)
}

export function printLine(text: string): void {
  console.log(`  ${text}`)
}

export function printClaim(text: string, holds: boolean): void {
  console.log(`  ${holds ? paint('green', 'ok    ') : paint('red', 'FAILED')}  ${text}`)
}

export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en')
}

/** Few digits and the unit that fits them; `-` where there is none. */
export function formatMs(ms: number): string {
  if (Number.isNaN(ms)) return '-'
  if (ms === Infinity) return 'never'
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)} s`
  if (ms > 0 && ms < 1) return `${formatCount(ms * 1_000)} µs`
  return `${ms.toFixed(ms > 0 && ms < 10 ? 1 : 0)} ms`
}

export function formatShare(share: number): string {
  return `${(share * 100).toLocaleString('en', { maximumFractionDigits: share > 0.999 ? 3 : 1 })} %`
}
