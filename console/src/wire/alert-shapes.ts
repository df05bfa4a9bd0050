// The JSON of alerts, rules, silences and receivers, as types.

export type AlertState = "pending" | "open" | "acknowledged" | "resolved";
export type Severity = "critical" | "warning" | "info";

export interface AlertRow {
  id: string;
  rule: string;
  state: AlertState;
  severity: Severity;
  labels: Record<string, string>;
  summary: string;
  value: number | null;
  threshold: number | null;
  /** The page of the calls behind it. */
  link: string | null;
  runbook: string | null;
  receivers: string[];
  pending_at_ms: number;
  opened_at_ms: number | null;
  last_seen_at_ms: number;
  acknowledged_at_ms: number | null;
  acknowledged_by: string | null;
  resolved_at_ms: number | null;
  told_at_ms: number | null;
  silenced_until_ms: number | null;
}

export interface AlertList {
  data: AlertRow[];
  next_before: string | null;
}

export interface AlertDetail {
  alert: AlertRow;
  history: { at_ms: number; what: string; by: string | null; note: string | null }[];
  deliveries: DeliveryRow[];
  around: { measure: string; unit: string; start_ms: number; step_ms: number; values: (number | null)[] } | null;
}

export interface DeliveryRow {
  id: string;
  receiver: string;
  state: "waiting" | "sent" | "failed" | "superseded";
  title: string;
  attempts: number;
  created_at_ms: number;
  next_at_ms: number | null;
  delivered_at_ms: number | null;
  last_error: string | null;
}

export interface SilenceRow {
  id: string;
  matchers: Record<string, string>;
  reason: string;
  starts_at_ms: number;
  ends_at_ms: number;
  created_at_ms: number;
  created_by: string | null;
}

export type RuleKind = "threshold" | "change" | "burn_rate" | "absence" | "anomaly";

/** A rule as the configuration would have it; what is left out stands at its default. */
export interface RuleSettings {
  kind: RuleKind;
  measure?: string;
  objective?: string;
  above?: number;
  below?: number;
  rises_by?: number;
  falls_by?: number;
  deviations?: number;
  window_s?: number;
  for_s?: number;
  keep_s?: number;
  min_calls?: number;
  by?: string;
  only?: Record<string, string>;
  severity?: Severity;
  receivers?: string[];
  runbook?: string;
  is_off?: boolean;
}

export interface RuleRow {
  name: string;
  origin: "default" | "configuration" | "stored";
  settings: RuleSettings;
  window_s: number;
  receivers: string[];
  created_at_ms: number | null;
  created_by: string | null;
  judged_at_ms: number | null;
  error: string | null;
}

export interface ReceiverRow {
  name: string;
  kind: "webhook" | "slack" | "email" | "pagerduty";
}

/** What a rule would have done. */
export interface RulePreview {
  start_ms: number;
  step_ms: number;
  lines: { label: string; values: (number | null)[]; thresholds: (number | null)[] }[];
  firings: { label: string; opened_at_ms: number; resolved_at_ms: number | null; value: number | null; threshold: number | null }[];
}
