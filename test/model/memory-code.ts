// The code under test, so that the model can be run on it as it is and on copies in which one rule is broken.

import { Coherence } from '../../src/memory/coherence.ts'
import { Flights } from '../../src/memory/flights.ts'
import { LocalEntry } from '../../src/memory/local-entry.ts'
import { NullCoherence } from '../../src/memory/null-coherence.ts'
import { resolveValueMode } from '../../src/memory/value-modes.ts'

export interface MemoryCode {
  readonly Coherence: typeof Coherence
  readonly NullCoherence: typeof NullCoherence
  readonly Flights: typeof Flights
  readonly LocalEntry: typeof LocalEntry
  readonly resolveValueMode: typeof resolveValueMode
}

export const memoryCode: MemoryCode = { Coherence, NullCoherence, Flights, LocalEntry, resolveValueMode }
