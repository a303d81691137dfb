// The package: nothing else is public.

export { PostgresCache } from './cache.ts'
export { NullCache } from './null-cache.ts'
export type { Cache, CacheStats, TypedCache, Watch } from './contract.ts'
export type { TransactionCache, TransactionLike, TypedTransaction } from './transaction-cache.ts'
export type { SchemaResult, StandardSchema } from './shape.ts'
export type { NamespaceOptions, OutputOf, TypedCalls } from './typed-cache.ts'
export type {
  AsyncFunction,
  LoadContext,
  LoadedMany,
  Loader,
  ManyLoadContext,
  ManyLoader,
  ManyValues,
  Wrapped,
  WrapOptions,
} from './loader.ts'
export { CacheError, type CacheErrorCode, isCacheError } from './core/errors.ts'
export type { Duration } from './core/duration.ts'
export type { Entry } from './core/entry.ts'
export type { Histogram } from './core/histogram.ts'
export type { CallTrace, StatementTrace, TimedCall } from './channels.ts'
export type { CacheMeasures, StatementFigures } from './measures.ts'
export type { Codec, CodecContext } from './codecs/codec.ts'
export { compressed, type CompressionOptions } from './codecs/compressed.ts'
export { encrypted, type EncryptionOptions } from './codecs/encrypted.ts'
export type {
  CacheCounters,
  CacheEvents,
  CacheListener,
  EvictionReason,
  FlushReason,
  HitTier,
} from './events.ts'
export type {
  CacheOptions,
  AuditOptions,
  CallOptions,
  EntryOptions,
  GetOptions,
  GetOrSetOptions,
  IncrementOptions,
  LoadOptions,
  LocalOptions,
  PoolBounds,
  PoolClientLike,
  PoolLike,
  ScanOptions,
  SetEntry,
  SetOptions,
  StoreOptions,
  WatchOptions,
} from './options.ts'
