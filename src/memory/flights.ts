// Single flight: callers of one key share a promise that is under way. Joining is allowed only while nothing has
// happened that a later caller must see and the flight may not have seen; detach() ends it for those who come later.

import { ChurningMap } from './churning-map.ts'

export class Flights<T> {
  readonly #flights = new ChurningMap<Promise<T>>()

  get size(): number {
    return this.#flights.size
  }

  /** `start` is called at once, or not at all. */
  join(key: string, start: (key: string) => Promise<T>): Promise<T> {
    const underWay = this.#flights.get(key)
    if (underWay !== undefined) return underWay

    const flight = start(key)
    this.begin(key, flight)
    // Registered before any caller's own reaction: whoever continues from this flight starts a new one.
    const land = (): void => this.land(key, flight)
    flight.then(land, land)
    return flight
  }

  /** What a caller may share now. */
  find(key: string): Promise<T> | undefined {
    return this.#flights.get(key)
  }

  /** For flights that land by themselves, before they settle. */
  begin(key: string, flight: Promise<T>): void {
    this.#flights.set(key, flight)
  }

  land(key: string, flight: Promise<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key)
  }

  /** The flight goes on for those who joined; the next caller starts anew. */
  detach(key: string): void {
    this.#flights.delete(key)
  }

  detachAll(): void {
    this.#flights.clear()
  }
}
