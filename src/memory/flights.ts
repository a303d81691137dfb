// Single flight: callers of one key share a promise that is under way. Joining is allowed only while nothing has
// happened that a later caller must see and the flight may not have seen; detach() ends it for those who come later.

export class Flights<T> {
  readonly #flights = new Map<string, Promise<T>>()

  get size(): number {
    return this.#flights.size
  }

  /** `start` is called at once, or not at all. */
  join(key: string, start: (key: string) => Promise<T>): Promise<T> {
    const underWay = this.#flights.get(key)
    if (underWay !== undefined) return underWay

    const flight = start(key)
    this.#flights.set(key, flight)
    // Registered before any caller's own reaction: whoever continues from this flight starts a new one.
    const land = (): void => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key)
    }
    flight.then(land, land)
    return flight
  }

  /** The flight goes on for those who joined; the next caller starts anew. */
  detach(key: string): void {
    this.#flights.delete(key)
  }

  detachAll(): void {
    this.#flights.clear()
  }
}
