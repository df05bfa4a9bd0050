// The JSON of the cost explorer, as types.

export type CostBy = "model" | "deployment" | "provider" | "key" | "team" | "conversation";

export interface CostRow {
  label: string;
  name: string | null;
  cost_usd: number | null;
  share: number | null;
  calls: number;
  unpriced_calls: number;
  unpriced_share: number | null;
  saved_usd: number | null;
  input_tokens: number;
  output_tokens: number;
  cost_per_call_usd: number | null;
  series: (number | null)[];
}

export interface Cost {
  by: CostBy;
  start_ms: number;
  end_ms: number;
  step_ms: number;
  whole: CostRow;
  data: CostRow[];
  sql: string;
  parameters: Record<string, unknown>;
}
