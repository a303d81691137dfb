// Where a value lies between the ends of an axis.

export interface Axis {
  readonly ticks: readonly number[]
  /** 0 at the lower end, 1 at the upper. */
  readonly position: (value: number) => number
}

/** From zero, in round steps. */
export function linearAxis(largest: number, wantedTicks = 5): Axis {
  const step = roundStep(largest / wantedTicks)
  const top = Math.ceil(largest / step) * step
  const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step)
  return { ticks, position: (value) => value / top }
}

/** Ratios as distances; ticks at the powers of ten. */
export function logAxis(smallest: number, largest: number): Axis {
  const low = Math.floor(Math.log10(smallest))
  const high = Math.max(low + 1, Math.ceil(Math.log10(largest)))
  const ticks = Array.from({ length: high - low + 1 }, (_, i) => 10 ** (low + i))
  return { ticks, position: (value) => Math.max(0, (Math.log10(value) - low) / (high - low)) }
}

/** The values themselves, evenly spread. */
export function stepAxis(values: readonly number[]): Axis {
  return { ticks: values, position: (value) => values.indexOf(value) / Math.max(1, values.length - 1) }
}

export function formatTick(value: number): string {
  return value >= 1_000 ? value.toLocaleString('en-US') : String(Number(value.toPrecision(3)))
}

function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 2.5, 5, 10].find((each) => each * power >= rough)
  return (step ?? 10) * power
}
