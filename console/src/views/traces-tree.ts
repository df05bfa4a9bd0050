// The steps of a trace as a tree, flattened in the order in which they are drawn. Refuses to know how.
// Invariant: every step comes exactly once, whatever its parents say; a ring of parents cannot hang the page.
import type { Step } from "../wire/traces-shapes.ts";

export interface Branch {
  step: Step;
  depth: number;
}

/** Roots by time, each followed by its children; a step whose parent is not here is a root. */
export function branchesOf(steps: readonly Step[]): Branch[] {
  const bySpan = new Map<string, Step>();
  for (const step of steps) bySpan.set(step.span_id ?? step.step_id, step);
  const children = new Map<string, Step[]>();
  const roots: Step[] = [];
  for (const step of steps) {
    const parent = step.parent_id === null ? undefined : bySpan.get(step.parent_id);
    if (!parent || parent === step) roots.push(step);
    else children.set(parent.step_id, [...(children.get(parent.step_id) ?? []), step]);
  }
  const found: Branch[] = [];
  const seen = new Set<string>();
  const walk = (first: Step): void => {
    const waiting: Branch[] = [{ step: first, depth: 0 }];
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      if (seen.has(next.step.step_id)) continue;
      seen.add(next.step.step_id);
      found.push(next);
      const inside = (children.get(next.step.step_id) ?? []).slice().sort((a, b) => a.at_ms - b.at_ms).reverse();
      for (const step of inside) waiting.push({ step, depth: next.depth + 1 });
    }
  };
  for (const root of roots.slice().sort((a, b) => a.at_ms - b.at_ms)) walk(root);
  for (const step of steps) walk(step);
  return found;
}

export interface Totals {
  input_tokens: number | null;
  output_tokens: number | null;
  cost_usd: number | null;
  errors: number;
}

/** What a trace came to; a model's call that the gateway tells of too counts once. */
export function totalsOf(steps: readonly Step[]): Totals {
  const told = new Set(steps.filter((step) => step.source === "call").map((step) => step.parent_id));
  const counted = steps.filter((step) => step.source === "call" || (["llm", "embeddings"].includes(step.kind) && !told.has(step.span_id)));
  const sum = (name: "input_tokens" | "output_tokens" | "cost_usd"): number | null => {
    const known = counted.map((step) => step[name]).filter((value) => value !== null);
    return known.length > 0 ? known.reduce((a, b) => a + b, 0) : null;
  };
  return { input_tokens: sum("input_tokens"), output_tokens: sum("output_tokens"), cost_usd: sum("cost_usd"), errors: steps.filter((step) => step.is_error).length };
}

/** The step of another trace that answers to `step` of another: the same turn of the same name, as they were drawn. */
export function partnerOf(step: Step, own: readonly Step[], other: readonly Step[]): Step | null {
  const alike = (one: Step): boolean => one.name === step.name && one.source === step.source;
  const turn = own.filter(alike).indexOf(step);
  return other.filter(alike)[turn] ?? null;
}
