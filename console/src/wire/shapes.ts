// The management API's JSON, as types. Refuses to know how it is fetched or shown.
// Invariant: names and nullability are the server's; nothing is renamed on the way in.

import type { Limits, Priority } from "./traffic-shapes.ts";

export type Role = "root" | "admin" | "member" | "viewer";

export interface Session {
  id: string;
  name: string;
  role: Role;
  kind: "key" | "session" | "local";
}

export interface Measure {
  value: number | null;
  previous: number | null;
  series: (number | null)[];
}

export interface Quantiles {
  p50: number | null;
  p95: number | null;
  p99: number | null;
  previous_p95: number | null;
  series: (number | null)[];
}

export type Level = "ok" | "degraded" | "down";

export interface Overview {
  now_ms: number;
  window_s: number;
  series_start_ms: number;
  series_step_ms: number;
  state: { level: Level; reasons: string[] };
  ingest_lag_ms: number | null;
  calls: number;
  requests_per_second: Measure;
  error_rate: Measure;
  client_error_rate?: Measure;
  first_token_ms: Quantiles;
  latency_ms: Quantiles;
  input_tokens_per_second: Measure;
  output_tokens_per_second: Measure;
  cost_usd: Measure & { unpriced_calls: number };
  cache?: { share: Measure; saved_usd: number | null };
  shadows?: { calls: number; cost_usd: number | null };
}

export interface Price {
  input_usd: number;
  output_usd: number;
  cached_input_usd?: number | null;
  source?: string;
}

export type DeploymentState = "ready" | "starting" | "restarting" | "failed" | "stopped" | "unknown";

export interface DeploymentRow {
  id: string;
  provider: string;
  upstream_model: string;
  engine: string | null;
  state: DeploymentState;
  reason: string | null;
  weight: number;
  requests: number;
  errors: number;
  error_rate: number | null;
  first_token_p95_ms: number | null;
  latency_p95_ms: number | null;
  output_tokens_per_second: number | null;
  cost_usd: number | null;
  unpriced_calls: number;
  slots: number | null;
  slots_busy: number | null;
  queued: number | null;
  resident_bytes: number | null;
  price: Price | null;
}

export interface ModelRow {
  model: string;
  kind: "chat" | "embedding";
  deployments: DeploymentRow[];
}

export interface Call {
  call_id: string;
  request_id: string;
  at_ms: number;
  operation: string;
  model: string | null;
  model_answered: string | null;
  provider: string | null;
  deployment: string | null;
  key_id: string | null;
  key_name: string | null;
  team: string | null;
  purpose: string | null;
  status: number;
  outcome: string;
  is_stream: boolean;
  error_type: string | null;
  error_code: string | null;
  error_message: string | null;
  finish_reasons: string[];
  duration_ms: number;
  queue_ms: number | null;
  first_token_ms: number | null;
  last_token_ms: number | null;
  tokens_per_second: number | null;
  input_tokens: number | null;
  output_tokens: number | null;
  cached_tokens: number | null;
  reasoning_tokens: number | null;
  cost_usd: number | null;
  price_source: string | null;
  logprob_mean: number | null;
  logprob_min: number | null;
  request_bytes: number;
  response_bytes: number;
  conversation_id: string | null;
  trace_id: string | null;
  subject: string | null;
  dialect: string;
  cache: string | null;
  experiment: string | null;
  arm: string | null;
  shadow_of: string | null;
  priority: string;
  saved_usd: number | null;
}

export interface Attempt {
  deployment: string;
  provider: string;
  status?: number | null;
  error_code?: string | null;
  started_ms?: number;
  duration_ms?: number;
  reason?: "first" | "retry" | "fallback" | "hedge";
}

export interface CallDetail extends Call {
  parameters: Record<string, unknown> | null;
  attempts: Attempt[] | null;
  content: {
    state: "full" | "none" | "erased" | "truncated";
    request: unknown;
    response: unknown;
  };
}

export interface CallPage {
  data: Call[];
  next_before: string | null;
}

export interface KeyRow {
  id: string;
  name: string;
  role: Role;
  team: string | null;
  models: string[] | null;
  created_at_ms: number;
  expires_at_ms: number | null;
  revoked_at_ms: number | null;
  last_used_at_ms: number | null;
  prefix: string;
  limits: Limits;
  priority: Priority;
}

export interface NewKey extends KeyRow {
  key: string;
}

export interface ProcessRow {
  name: string;
  state: string;
  pid?: number | null;
  restarts?: number;
  resident_bytes?: number | null;
}

export interface GatewayRow {
  worker: string;
  pid?: number;
  version?: string;
  is_accepting: boolean;
  reason?: string | null;
  in_flight?: number;
  streams?: number;
  requests_total?: number;
  resident_bytes?: number | null;
}

export interface SystemStatus {
  supervisor: {
    version?: string;
    started_at_ms?: number;
    address?: string;
    snapshot_revision?: number;
    processes?: ProcessRow[];
  } | null;
  gateways: GatewayRow[];
  ingest: { lag_ms?: number | null; segments?: number; offset_bytes?: number; events_total?: number } | null;
  versions: Record<string, string | null>;
}

export interface OpenAiModel {
  id: string;
  owned_by?: string;
}
