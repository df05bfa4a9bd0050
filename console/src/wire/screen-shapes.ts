// The JSON of the first screen's one answer, as types.
import type { Marker } from "./measure-shapes.ts";
import type { ModelRow, Overview } from "./shapes.ts";

/** What a deployment's row shows beside its own numbers. */
export interface Extra {
  token_time_p95_ms: number | null;
  cache_share: number | null;
  breaker: "closed" | "open" | "half_open" | null;
  cause: string | null;
  in_flight: number;
}

export interface OpenAlert {
  id: string;
  rule: string;
  severity: string;
  summary: string;
  link: string | null;
  opened_at_ms: number;
  is_acknowledged: boolean;
}

export interface OpenAlerts {
  open: number;
  critical: number;
  acknowledged: number;
  first: OpenAlert[];
}

export interface Screen {
  now_ms: number;
  window_s: number;
  overview: Overview;
  models: ModelRow[];
  extras: Record<string, Extra>;
  queued: number;
  alerts: OpenAlerts;
  markers: Marker[];
  missing: string[];
  objectives?: ObjectiveShown[] | null;
  resources?: ResourcesShown | null;
}

/** An objective as the first screen shows it. */
export interface ObjectiveShown {
  name: string;
  measure: string;
  target: number;
  value: number | null;
  /** What is left of the error budget, from 1 to below 0. */
  budget_left: number | null;
  /** How many times faster than allowed the budget goes. */
  burn_rate: number | null;
  state: "ok" | "burning" | "spent" | "unknown";
}

/** A thing there is only so much of. */
export interface Headroom {
  name: string;
  title: string;
  unit: "cores" | "bytes" | "files" | "share" | "slots" | "watts" | "celsius";
  used: number;
  most: number;
  left: number;
  share: number;
  /** When nothing is left if it goes on so. */
  full_in_s: number | null;
  /** Shares of the last hour, oldest first. */
  history: number[];
}

export interface GpuShown {
  index: number;
  name: string;
  power_w: number | null;
  temperature_c: number | null;
  /** The driver's critical errors by their Xid. */
  xids: Record<string, number>;
}

export interface ResourcesShown {
  cpus: number;
  load: number[];
  headroom: Headroom[];
  gpus: GpuShown[];
}
