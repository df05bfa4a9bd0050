// A trace's steps as a tree, its totals, steps that answer to each other, and a proposal put in its place.
import assert from "node:assert/strict";
import { test } from "node:test";
import { put } from "../src/views/traces-put.ts";
import { branchesOf, partnerOf, totalsOf } from "../src/views/traces-tree.ts";
import type { Step } from "../src/wire/traces-shapes.ts";

function step(step_id: string, parent_id: string | null, at_ms: number, changes: Partial<Step> = {}): Step {
  return { step_id, span_id: step_id, parent_id, at_ms, source: "span", kind: "chain", name: step_id, is_error: false, input_tokens: null, output_tokens: null, cost_usd: null, ...changes } as Step;
}

test("children come below their parent, in the order they began; an orphan is a root", () => {
  const steps = [step("root", null, 0), step("late", "root", 9), step("early", "root", 1), step("inner", "early", 2), step("lost", "nobody", 3)];
  assert.deepEqual(branchesOf(steps).map((one) => [one.step.step_id, one.depth]), [["root", 0], ["early", 1], ["inner", 2], ["late", 1], ["lost", 0]]);
});

test("a ring of parents, or a step that is its own parent, is shown once and ends", () => {
  const steps = [step("a", "b", 0), step("b", "a", 1), step("c", "c", 2)];
  assert.deepEqual(branchesOf(steps).map((one) => one.step.step_id).sort(), ["a", "b", "c"]);
});

test("a call that both sides tell of counts once", () => {
  const steps = [
    step("llm", null, 0, { kind: "llm", input_tokens: 5, cost_usd: 9 }),
    step("call", "llm", 1, { source: "call", kind: "llm", input_tokens: 5, output_tokens: 2, cost_usd: 0.5, is_error: true }),
    step("alone", null, 2, { kind: "llm", input_tokens: 1 }),
    step("agent", null, 3, { kind: "agent", input_tokens: 100 }),
  ];
  assert.deepEqual(totalsOf(steps), { input_tokens: 6, output_tokens: 2, cost_usd: 0.5, errors: 1 });
  assert.equal(totalsOf([step("a", null, 0)]).cost_usd, null);
});

test("steps of two traces answer to each other by name and turn", () => {
  const left = [step("1", null, 0, { name: "chat" }), step("2", null, 1, { name: "chat" })];
  const right = [step("3", null, 0, { name: "search" }), step("4", null, 1, { name: "chat" })];
  assert.equal(partnerOf(left[0] as Step, left, right)?.step_id, "4");
  assert.equal(partnerOf(left[1] as Step, left, right), null);
});

test("a proposal takes its place, and the cursor stands behind it", () => {
  assert.deepEqual(put("mod", { start: 0, end: 3, data: [] }, "model"), { text: "model ", at: 6 });
  assert.deepEqual(put("mod = x", { start: 0, end: 3, data: [] }, "model"), { text: "model = x", at: 6 });
  assert.deepEqual(put("sco", { start: 0, end: 3, data: [] }, "score."), { text: "score.", at: 6 });
});
