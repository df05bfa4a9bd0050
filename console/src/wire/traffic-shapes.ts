// The JSON of limits and of how traffic is steered, as types. Refuses to know how it is fetched or shown.

export type Priority = "high" | "normal" | "low";

export interface Limits {
  requests_per_minute: number | null;
  tokens_per_minute: number | null;
  concurrency: number | null;
  budget_day_usd: number | null;
  budget_month_usd: number | null;
}

export interface DeploymentTraffic {
  deployment: string;
  model: string;
  breaker: "closed" | "open" | "half_open";
  breaker_workers: number;
  workers: number;
  cause: string | null;
  is_ejected: boolean;
  is_ready: boolean;
  held_ms: number;
  in_flight: number;
  ewma_ms: number | null;
  attempts: number;
  failed: number;
  limited: number;
  error_share: number | null;
  opened: number;
}

export interface LimitTraffic {
  scope: "key" | "team" | "model";
  name: string;
  shown_name: string;
  limit: keyof Limits;
  used: number;
  most: number;
  share: number | null;
  resets_s: number;
}

export interface CacheTraffic {
  model: string;
  entries: number;
  bytes: number;
  exact: number;
  semantic: number;
  coalesced: number;
  misses: number;
  hit_share: number | null;
}

export interface ArmNumbers {
  arm: string;
  calls: number;
  conversations: number;
  errors: number;
  error_rate: number;
  first_token_p95_ms: number | null;
  latency_p95_ms: number | null;
  output_tokens_mean: number | null;
  cost_usd: number | null;
  unpriced_calls: number;
}

export interface ExperimentNumbers {
  model: string;
  experiment: string;
  arms: ArmNumbers[];
}

export interface Traffic {
  workers: number;
  in_flight: number;
  queued: Record<Priority, number>;
  shed: number;
  limited: number;
  counters: "off" | "host" | "redis" | "open" | "closed";
  counters_reason: string | null;
  retries: number;
  fallbacks: number;
  hedges: number;
  shadows: number;
  deployments: DeploymentTraffic[];
  limits: LimitTraffic[];
  caches: CacheTraffic[];
}
