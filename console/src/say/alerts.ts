// The words and tones of alerts and rules. Refuses to know where they come from.
import type { AlertRow, DeliveryRow, RuleKind, RuleSettings, Severity } from "../wire/alert-shapes.ts";
import { durationText } from "./units.ts";
import type { Tone } from "./words.ts";

export const SEVERITY_TONES: Record<Severity, Tone> = { critical: "bad", warning: "warn", info: "accent" };
export const DELIVERY_TONES: Record<DeliveryRow["state"], Tone> = { sent: "good", waiting: "warn", failed: "bad", superseded: "quiet" };

export const KINDS: { kind: RuleKind; word: string; means: string }[] = [
  { kind: "threshold", word: "Threshold", means: "The measure is above or below a value." },
  { kind: "change", word: "Change", means: "Against the same time last week." },
  { kind: "anomaly", word: "Anomaly", means: "Far from what is usual at this hour of the week." },
  { kind: "absence", word: "Absence", means: "Nothing where there was something the day before." },
  { kind: "burn_rate", word: "Burn rate", means: "An objective's error budget goes too fast." },
];

/** The labels that tell an alert from the others of its rule. */
export function labelsOf(alert: Pick<AlertRow, "labels">): string {
  const own = Object.entries(alert.labels).filter(([name]) => name !== "rule" && name !== "severity");
  return own.map(([name, value]) => `${name} ${value}`).join(", ");
}

/** A span of seconds: 90 s · 5 min · 2 h. */
export function span(seconds: number): string {
  if (seconds >= 7200 && seconds % 3600 === 0) return `${seconds / 3600} h`;
  if (seconds >= 120 && seconds % 60 === 0) return `${seconds / 60} min`;
  return durationText(seconds * 1000);
}

/** What a rule waits for, in words. */
export function conditionOf(settings: RuleSettings, window_s: number): string {
  const over = `over ${span(window_s)}`;
  switch (settings.kind) {
    case "burn_rate": return settings.objective ? `budget of ${settings.objective}` : "budgets of all objectives";
    case "absence": return `nothing ${over}`;
    case "anomaly": return `${settings.deviations ?? 6} deviations from the usual, ${over}`;
    case "change": {
      const rises = settings.rises_by === undefined ? null : `up by ${Math.round(settings.rises_by * 100)} %`;
      const falls = settings.falls_by === undefined ? null : `down by ${Math.round(settings.falls_by * 100)} %`;
      return `${[rises, falls].filter((part) => part !== null).join(" or ")} against last week, ${over}`;
    }
    default: return settings.above === undefined ? `below ${settings.below}, ${over}` : `above ${settings.above}, ${over}`;
  }
}
