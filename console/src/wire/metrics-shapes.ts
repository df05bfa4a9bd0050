// The JSON of custom metrics, availability, confidence and feedback, as types.
import type { Series } from "./measure-shapes.ts";

export interface MetricVersion {
  version: number;
  created_at_ms: number;
  is_current: boolean;
  definition: Record<string, unknown>;
}

export interface Metric {
  name: string;
  measure: string;
  title: string;
  description: string | null;
  unit: string;
  goal: "up" | "down" | "none";
  kind: "number" | "boolean";
  source: "expression" | "measure" | "sql";
  definition: string;
  where: string | null;
  sample: number;
  version: number;
  values: number;
  unknown: number;
  faults: Record<string, number>;
  last_fault: string | null;
  last_value_at_ms: number | null;
  recent_mean: number | null;
  versions: MetricVersion[];
}

export interface MetricDetail {
  metric: Metric;
  series: { version: number; series: Series }[];
}

export interface Availability {
  label: string;
  name: string | null;
  calls: number;
  answered: number;
  our_errors: number;
  provider_errors: number;
  client_errors: number;
  guardrail_blocks: number;
  cut: number;
  availability: number | null;
}

export interface AvailabilityList {
  by: string;
  whole: Availability;
  data: Availability[];
}

export interface Bar {
  start: number;
  end: number;
  count: number;
}

export interface Distribution {
  count: number;
  mean: number | null;
  p05: number | null;
  p50: number | null;
  p95: number | null;
  bars: Bar[];
}

export interface Confidence {
  calls: number;
  mean: Distribution;
  minimum: Distribution;
  entropy: Distribution;
}

export interface Feedback {
  feedback_id: string;
  at_ms: number;
  kind: "thumbs" | "stars" | "score" | "text" | "correction" | "measure";
  name: string;
  value: number | null;
  request_id: string;
  call_id: string | null;
  model: string | null;
  key_id: string | null;
  key_name: string | null;
  has_words: boolean;
}

export interface FeedbackDetail extends Feedback {
  state: "full" | "none" | "erased";
  text: string | null;
  correction: string | null;
}
