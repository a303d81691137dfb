// A map whose keys come and go all the time. One of JavaScript's own moves to a new table whenever half of it was deleted, and V8 lets the old table refer to
// the new one. Once a table has been promoted to the old generation, what follows is kept by the one before, with all that was in it, until the next full
// collection: each minor collection then copied a third of what was allocated since, and took an eighth of this process's time (256 callers that set,
// Node 20, 2026-11-29). Here keys are left behind without a value, and live ones move to a new map when there are as many dead.

// Moving a few more is cheaper than moving often.
const MIN_DEAD = 1_024

export class ChurningMap<Value extends object> {
  #map = new Map<string, Value | undefined>()
  #size = 0

  get size(): number {
    return this.#size
  }

  get(key: string): Value | undefined {
    return this.#map.get(key)
  }

  set(key: string, value: Value): void {
    if (this.#map.get(key) === undefined) this.#size++
    this.#map.set(key, value)
  }

  delete(key: string): void {
    if (this.#map.get(key) === undefined) return
    this.#map.set(key, undefined)
    this.#size--
    if (this.#map.size - this.#size > Math.max(MIN_DEAD, this.#size)) this.#move()
  }

  clear(): void {
    this.#map = new Map()
    this.#size = 0
  }

  #move(): void {
    const live = new Map<string, Value>()
    for (const [key, value] of this.#map) {
      if (value !== undefined) live.set(key, value)
    }
    this.#map = live
  }
}
