// Holds something up until a test lets it go: a race with latches has one outcome.

export class Latch {
  readonly opened: Promise<void>
  readonly #resolve: () => void

  constructor() {
    let resolve = (): void => {}
    this.opened = new Promise((opened) => {
      resolve = opened
    })
    this.#resolve = resolve
  }

  open(): void {
    this.#resolve()
  }
}
