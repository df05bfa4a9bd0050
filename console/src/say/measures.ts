// The numbers of measures in words, by their unit. Refuses to know any measure by name.
// Invariant: a unit that is not known is shown as it is written.
import { bytes, count, durationText, percent, rate, usd } from "./units.ts";

type Say = (value: number) => string;

const SAYERS: Record<string, Say> = {
  ms: durationText,
  s: (value) => durationText(value * 1000),
  share: (value) => `${percent(value)} %`,
  "1": (value) => `${percent(value)} %`,
  ratio: (value) => `${percent(value)} %`,
  "%": (value) => `${percent(value / 100)} %`,
  usd: (value) => usd(value),
  USD: (value) => usd(value),
  "usd/h": (value) => usd(value),
  bytes: (value) => bytes(value),
  By: (value) => bytes(value),
  "1/s": (value) => `${rate(value)}/s`,
  "/s": (value) => `${rate(value)}/s`,
  "USD/h": (value) => usd(value),
  calls: (value) => count(value),
};

const WORDS: Record<string, string> = {
  ms: "", s: "", share: "", ratio: "", "1": "", "%": "", usd: "US dollars", USD: "US dollars", "usd/h": "US dollars an hour", "USD/h": "US dollars an hour", "1/s": "", calls: "calls", bytes: "", By: "", "/s": "",
};

/** How a value of a unit is said, on an axis as in a tooltip. */
export function sayerOf(unit: string): Say {
  const known = SAYERS[unit];
  if (known) return known;
  if (unit.endsWith("/s")) return (value) => `${rate(value)}/s`;
  return (value) => (Math.abs(value) >= 1000 ? count(value) : String(Number(value.toPrecision(3))));
}

/** The unit in words, where the numbers do not carry it themselves. */
export function unitWords(unit: string): string {
  const known = WORDS[unit];
  if (known !== undefined) return known;
  return unit.endsWith("/s") ? `${unit.slice(0, -2)} a second` : unit;
}
