// The JSON of service-level objectives, as types.

export type ObjectiveState = "ok" | "burning" | "spent" | "unknown";

export interface BurnRate {
  window: string;
  rate: number | null;
  good: number;
  total: number;
}

export interface BurnCondition {
  long: string;
  short: string;
  threshold: number;
  rate: number;
  severity: string;
  is_burning: boolean;
}

export interface Objective {
  name: string;
  description: string | null;
  measure: "availability" | "latency" | "first_token";
  threshold_ms: number | null;
  goal: number;
  window: string;
  only: Record<string, string>;
  state: ObjectiveState;
  value: number | null;
  good: number;
  total: number;
  budget: number;
  budget_left: number | null;
  counted_at_ms: number;
  burn_rates: BurnRate[];
  conditions: BurnCondition[];
}

export interface ObjectiveDetail {
  objective: Objective;
  start_ms: number;
  step_ms: number;
  good: number[];
  total: number[];
  budget_left: (number | null)[];
}
