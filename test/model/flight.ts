// What callers share. Flights only ever calls then(), so the model settles it when it wants to, without promises.

import type { Flights } from '../../src/memory/flights.ts'
import { type Demand, Violation } from './promises.ts'

export class Flight {
  /** Of all who joined. */
  demand: Demand = 0
  isOver = false
  readonly #landed: (() => void)[] = []

  // oxlint-disable-next-line unicorn/no-thenable -- stands in for a promise
  then(landed: () => void): void {
    this.#landed.push(landed)
  }

  land(): void {
    this.isOver = true
    for (const landed of this.#landed) landed()
  }
}

export function joinFlight(flights: Flights<unknown>, key: string, start: () => Flight): Flight {
  const flight = flights.join(key, start as unknown as () => Promise<unknown>) as unknown as Flight
  if (flight.isOver) throw new Violation(`a caller joins a flight of ${key} that is over`)
  return flight
}

/** Whom a caller would join now. Registers a flight where there is none. */
export function joinableFlight(flights: Flights<unknown>, key: string): Flight {
  return joinFlight(flights, key, () => new Flight())
}
