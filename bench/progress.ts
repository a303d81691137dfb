// One line that says where a run is: rewritten on a terminal, now and then a new one elsewhere.

import type { Step } from './runner.ts'

const LINE_EVERY_MS = 10_000
const CLEAR = '\r\u001b[K'

export class Progress {
  readonly #start = performance.now()
  readonly #out = process.stderr
  #lastLine = -Infinity

  step({ scenario, cell, contender, done, total }: Step): void {
    const seconds = Math.round((performance.now() - this.#start) / 1_000)
    const where = Object.values(cell).join(' · ')
    this.#show(`${seconds} s  ${scenario} ${done}/${total}  ${where}  ${contender}`)
  }

  say(line: string): void {
    this.#out.write(`${this.#out.isTTY ? CLEAR : ''}${line}\n`)
  }

  #show(line: string): void {
    if (this.#out.isTTY) {
      this.#out.write(`${CLEAR}${line.slice(0, this.#out.columns - 1)}`)
      return
    }
    if (performance.now() - this.#lastLine < LINE_EVERY_MS) return
    this.#lastLine = performance.now()
    this.say(line)
  }
}
