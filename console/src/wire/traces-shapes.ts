// The JSON of traces, conversations and filters, as types. Refuses to know how it is fetched or shown.

export interface Shown {
  name: string;
  sql: string;
  parameters: Record<string, unknown>;
}

export interface TraceRow {
  trace_id: string;
  at_ms: number;
  sorted_at_ms: number;
  duration_ms: number;
  name: string;
  kind: string;
  services: string[];
  models: string[];
  spans: number;
  calls: number;
  errors: number;
  status: number | null;
  input_tokens: number | null;
  output_tokens: number | null;
  cost_usd: number | null;
  first_token_ms: number | null;
  key_id: string | null;
  key_name: string | null;
  conversation_id: string | null;
  call_id: string | null;
  feedback: { up: number; down: number };
}

export interface TracePage {
  data: TraceRow[];
  next_before: string | null;
  searched_until_ms: number | null;
  shown: Shown | null;
}

export interface Histogram {
  start_ms: number;
  step_ms: number;
  ok: number[];
  errors: number[];
  searched_until_ms: number | null;
  shown: Shown | null;
}

export interface Words {
  state: "full" | "none" | "erased" | "truncated" | "left_out";
  request: unknown;
  response: unknown;
  attributes: unknown;
}

export interface Step {
  step_id: string;
  source: "call" | "span";
  span_id: string | null;
  parent_id: string | null;
  at_ms: number;
  duration_ms: number;
  name: string;
  kind: string;
  operation: string | null;
  is_error: boolean;
  status: number | null;
  outcome: string;
  error: string | null;
  service: string | null;
  scope: string | null;
  convention: string | null;
  provider: string | null;
  deployment: string | null;
  model: string | null;
  model_answered: string | null;
  agent: string | null;
  tool: string | null;
  key_id: string | null;
  team: string | null;
  conversation_id: string | null;
  request_id: string | null;
  input_tokens: number | null;
  output_tokens: number | null;
  cached_tokens: number | null;
  reasoning_tokens: number | null;
  cost_usd: number | null;
  first_token_ms: number | null;
  finish_reasons: string[];
  attributes: Record<string, unknown>;
  is_orphan: boolean;
  content: Words;
}

export interface Score {
  score_id: string;
  at_ms: number;
  source: string;
  name: string;
  kind: string | null;
  value: number | null;
  label: string | null;
  step_id: string | null;
  text: unknown;
  correction: unknown;
}

export interface LogRecord {
  log_id: string;
  at_ms: number;
  severity: string | null;
  event_name: string | null;
  service: string | null;
  span_id: string | null;
  content: Words;
}

export interface TraceDetail {
  trace_id: string;
  at_ms: number;
  duration_ms: number;
  key_names: Record<string, string>;
  spans: Step[];
  calls: string[];
  scores: Score[];
  logs: LogRecord[];
  orphans: number;
  is_cut: boolean;
}

export interface ConversationRow {
  conversation_id: string;
  first_ms: number;
  last_ms: number;
  turns: number;
  errors: number;
  model: string | null;
  key_id: string | null;
  key_name: string | null;
  tokens: number;
  cost_usd: number | null;
}

export interface ConversationPage {
  data: ConversationRow[];
  next_before: string | null;
}

export interface ConversationTurn {
  call_id: string | null;
  span_id: string | null;
  trace_id: string;
  at_ms: number;
  duration_ms: number;
  model: string | null;
  status: number | null;
  is_error: boolean;
  input_tokens: number | null;
  output_tokens: number | null;
  cost_usd: number | null;
  content: Words;
}

export interface ConversationDetail {
  conversation_id: string;
  turns: ConversationTurn[];
  is_cut: boolean;
}

export interface Proposal {
  text: string;
  kind: "field" | "operator" | "value" | "word";
  detail: string;
}

export interface Completion {
  start: number;
  end: number;
  data: Proposal[];
}
