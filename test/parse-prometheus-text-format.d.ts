declare module 'parse-prometheus-text-format' {
  /** Of a counter or a gauge `value`, of a histogram the rest, all as text. */
  export interface ParsedMetric {
    readonly labels?: Readonly<Record<string, string>>
    readonly value?: string
    readonly buckets?: Readonly<Record<string, string>>
    readonly count?: string
    readonly sum?: string
  }

  export interface ParsedFamily {
    readonly name: string
    readonly help: string
    readonly type: string
    readonly metrics: readonly ParsedMetric[]
  }

  export default function parsePrometheusTextFormat(text: string): ParsedFamily[] | undefined
}
