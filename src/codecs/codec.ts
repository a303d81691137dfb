/** Where a value is stored: what an encrypting codec binds it to. */
export interface CodecContext {
  readonly key: string
  readonly schema: string
  readonly schemaPrefix: string
}

/**
 * Turns values into what a column holds and back. What comes back from `decode` is what readers get, from the local
 * cache as from the store, so a codec decides the type that a value has after a round trip.
 */
export interface Codec<T = unknown> {
  /** Stored beside every entry it writes, so that readers with another codec miss instead of misreading. */
  readonly id: string
  /** What becomes of values that are a Uint8Array: stored as they are, or encoded like all others. @default 'as-is' */
  readonly bytes?: 'as-is' | 'encoded' | undefined
  /** Whether entries are read that were stored as JSON or as bytes, without this codec. If not, they are misses. @default 'read' */
  readonly plain?: 'read' | 'refuse' | undefined
  /** Text must be well-formed and without NUL. Throws for what it cannot encode; never called with undefined. */
  encode(value: unknown, context: CodecContext): string | Uint8Array
  /** Gets text where `encode` returned text, bytes where it returned bytes. Throws for what it cannot decode. */
  decode(stored: string | Uint8Array, context: CodecContext): T
}
