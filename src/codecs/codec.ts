/**
 * Turns values into what a column holds and back. What comes back from `decode` is what readers get, from the local
 * cache as from the store, so a codec decides the type that a value has after a round trip.
 *
 * Values that are a Uint8Array never reach the codec: they are stored as they are.
 */
export interface Codec<T = unknown> {
  /** Stored beside every entry it writes, so that readers with another codec miss instead of misreading. */
  readonly id: string
  /** Text must be well-formed and without NUL. Throws for what it cannot encode; never called with undefined. */
  encode(value: unknown): string | Uint8Array
  /** Gets text where `encode` returned text, bytes where it returned bytes. */
  decode(stored: string | Uint8Array): T
}
