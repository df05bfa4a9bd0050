// The JSON of the catalogue of measures, of their series, and of what happened beside them, as types.

export interface MeasureEntry {
  name: string;
  unit: string;
  title: string;
  description: string;
  goal: "up" | "down" | "none" | null;
}

/** What a series can be split by, and narrowed to. */
export type Dimension = "model" | "provider" | "deployment" | "key" | "team" | "operation";

export interface SeriesLine {
  label: string | null;
  values: (number | null)[];
}

/** What was asked of the database. */
export interface Shown {
  name?: string;
  sql: string;
  parameters: Record<string, unknown> | unknown[];
}

export interface Series {
  measure: string;
  unit: string;
  start_ms: number;
  step_ms: number;
  lines: SeriesLine[];
  query?: Shown | null;
}

export type MarkerKind = "deploy" | "configuration" | "alert";

/** Something that happened and may explain a line. */
export interface Marker {
  at_ms: number;
  kind: MarkerKind;
  text: string;
  /** An address of this page, or nothing. */
  link: string | null;
}
