// A proposal put into a filter's text. Refuses to know how it is shown.
// Invariant: what stands around its place stays.
import type { Completion } from "../wire/traces-shapes.ts";

/** Text with a proposal put in its place, and where the cursor stands then. */
export function put(text: string, at: Completion, proposal: string): { text: string; at: number } {
  const rest = text.slice(at.end);
  const gap = rest.startsWith(" ") || proposal.endsWith(".") ? "" : " ";
  return { text: text.slice(0, at.start) + proposal + gap + rest, at: at.start + proposal.length + (proposal.endsWith(".") ? 0 : 1) };
}
