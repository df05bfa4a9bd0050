// Numbers as people read them: three figures that matter, a unit, and a dash for what is not known.
// Refuses to know where a number comes from. Invariant: `null` is never shown as zero.

export const UNKNOWN = "–";

export interface Said {
  value: string;
  unit: string;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

function figures(value: number, digits = 3): string {
  if (value === 0) return "0";
  const size = Math.floor(Math.log10(Math.abs(value))) + 1;
  return value.toFixed(Math.min(4, Math.max(0, digits - Math.max(1, size))));
}

/** 1,234 · 12.3k · 4.56M */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined) return UNKNOWN;
  if (Math.abs(value) < 10_000) return whole.format(value);
  if (Math.abs(value) < 1_000_000) return `${figures(value / 1e3)}k`;
  if (Math.abs(value) < 1_000_000_000) return `${figures(value / 1e6)}M`;
  return `${figures(value / 1e9)}B`;
}

/** A rate per second, without its unit. */
export function rate(value: number | null | undefined): string {
  if (value === null || value === undefined) return UNKNOWN;
  if (value >= 10_000) return count(value);
  if (value > 0 && value < 0.01) return "<0.01";
  return value >= 1000 ? whole.format(value) : figures(value);
}

/** 85 ms · 1.24 s · 2 min 05 s */
export function duration(value_ms: number | null | undefined): Said {
  if (value_ms === null || value_ms === undefined) return { value: UNKNOWN, unit: "" };
  if (value_ms < 1) return { value: value_ms === 0 ? "0" : value_ms.toFixed(2), unit: "ms" };
  if (value_ms < 999.5) return { value: figures(value_ms), unit: "ms" };
  if (value_ms < 99_950) return { value: figures(value_ms / 1000), unit: "s" };
  const seconds = Math.round(value_ms / 1000);
  return { value: `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")}`, unit: "s" };
}

/** The same in one string. */
export function durationText(value_ms: number | null | undefined): string {
  const { value, unit } = duration(value_ms);
  return unit ? `${value} ${unit}` : value;
}

/** 41 s · 12 min · 7 h · 8 d: how long until something is over. */
export function remaining(seconds: number): string {
  if (seconds < 100) return `${Math.ceil(seconds)} s`;
  if (seconds < 100 * 60) return `${Math.ceil(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.ceil(seconds / 3600)} h`;
  return `${Math.ceil(seconds / 86_400)} d`;
}

/** 0.012 → 1.20 % */
export function percent(value: number | null | undefined): string {
  if (value === null || value === undefined) return UNKNOWN;
  if (value === 0) return "0";
  const hundredth = value * 100;
  return hundredth < 0.01 ? "<0.01" : figures(hundredth);
}

/** $1.23 · $0.000420; unknown stays unknown. */
export function usd(value: number | null | undefined): string {
  if (value === null || value === undefined) return UNKNOWN;
  if (value === 0) return "$0";
  if (value >= 1000) return `$${whole.format(value)}`;
  if (value >= 1) return `$${value.toFixed(2)}`;
  const digits = Math.min(9, Math.max(2, 2 - Math.floor(Math.log10(value))));
  return `$${value.toFixed(digits)}`;
}

/** Bytes in powers of 1000, as disks and networks count. */
export function bytes(value: number | null | undefined): string {
  if (value === null || value === undefined) return UNKNOWN;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let amount = value;
  let step = 0;
  while (amount >= 999.5 && step < units.length - 1) {
    amount /= 1000;
    step += 1;
  }
  return `${step === 0 ? whole.format(amount) : figures(amount)} ${units[step]}`;
}

const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const fullFormat = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/** 17:42:10 */
export function clock(at_ms: number): string {
  return clockFormat.format(at_ms);
}

/** 17:42:10 today, otherwise 21 Nov 17:42:10 */
export function moment(at_ms: number, now_ms: number): string {
  const isToday = new Date(at_ms).toDateString() === new Date(now_ms).toDateString();
  return isToday ? clock(at_ms) : `${dayFormat.format(at_ms)} ${clock(at_ms)}`;
}

/** 21 Nov */
export function day(at_ms: number): string {
  return dayFormat.format(at_ms);
}

/** 22 Nov 2026, 17:42:10 */
export function fullMoment(at_ms: number): string {
  return fullFormat.format(at_ms);
}

/** just now · 5 min ago · 3 h ago · 21 Nov 2026 … */
export function age(at_ms: number | null, now_ms: number): string {
  if (at_ms === null) return UNKNOWN;
  const seconds = Math.round((now_ms - at_ms) / 1000);
  if (seconds < 0) return fullMoment(at_ms);
  if (seconds < 45) return "just now";
  if (seconds < 3570) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 86_400) return `${Math.round(seconds / 3600)} h ago`;
  if (seconds < 86_400 * 14) return `${Math.round(seconds / 86_400)} d ago`;
  return dayFormat.format(at_ms);
}

export const WINDOWS: { seconds: number; short: string; long: string }[] = [
  { seconds: 300, short: "5 min", long: "5 minutes" },
  { seconds: 900, short: "15 min", long: "15 minutes" },
  { seconds: 3600, short: "1 h", long: "hour" },
  { seconds: 21_600, short: "6 h", long: "6 hours" },
  { seconds: 86_400, short: "24 h", long: "24 hours" },
  { seconds: 604_800, short: "7 d", long: "7 days" },
];

/** The window as it stands in the address, or fifteen minutes. */
export function windowOf(text: string | null): number {
  const seconds = Number(text);
  return WINDOWS.some((known) => known.seconds === seconds) ? seconds : 900;
}

export interface Change {
  text: string;
  direction: "up" | "down" | "same";
}

/** The change from `previous` to `value`, relative; small noise counts as none. */
export function change(value: number | null, previous: number | null): Change | null {
  if (value === null || previous === null) return null;
  if (previous === 0) return value === 0 ? { text: "no change", direction: "same" } : null;
  const relative = (value - previous) / previous;
  if (Math.abs(relative) < 0.005) return { text: "no change", direction: "same" };
  const size = Math.abs(relative);
  const text = size >= 9.995 ? `×${figures(value / previous, 2)}` : `${Math.round(size * 100) || "<1"} %`;
  return { text, direction: relative > 0 ? "up" : "down" };
}

/** The change of a share, in percentage points. */
export function changeInPoints(value: number | null, previous: number | null): Change | null {
  if (value === null || previous === null) return null;
  const points = (value - previous) * 100;
  if (Math.abs(points) < 0.005) return { text: "no change", direction: "same" };
  return { text: `${figures(Math.abs(points))} pt`, direction: points > 0 ? "up" : "down" };
}
