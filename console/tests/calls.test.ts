// The list of calls: which live calls belong in it, and how two lists become one.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type CallFilter, merged, passes } from "../src/views/use-calls.ts";
import type { Call } from "../src/wire/shapes.ts";

const NONE: CallFilter = { model: null, outcome: null, status_class: null, key_id: null, conversation_id: null };

function call(call_id: string, changes: Partial<Call> = {}): Call {
  return { call_id, status: 200, outcome: "completed", model: "a", ...changes } as Call;
}

test("lists merge newest first, each call once, the newer word wins", () => {
  const all = merged([call("3"), call("2", { status: 499 })], [call("2"), call("1")]);
  assert.deepEqual(all.map((one) => [one.call_id, one.status]), [["3", 200], ["2", 499], ["1", 200]]);
});

test("a filter asks for everything it names", () => {
  assert.ok(passes(call("1"), NONE));
  assert.ok(passes(call("1"), { ...NONE, model: "a", outcome: "completed" }));
  assert.ok(!passes(call("1"), { ...NONE, model: "a", outcome: "failed" }));
  assert.ok(!passes(call("1", { model: null }), { ...NONE, model: "a" }));
});

test("status classes are the server's: what failed or was cut is its error, whatever the status", () => {
  const of = (status: number, outcome: string): string[] =>
    ["ok", "client_error", "server_error"].filter((status_class) => passes(call("1", { status, outcome }), { ...NONE, status_class }));
  assert.deepEqual(of(200, "completed"), ["ok"]);
  assert.deepEqual(of(200, "cut"), ["server_error"]);
  assert.deepEqual(of(429, "refused"), ["client_error"]);
  assert.deepEqual(of(499, "cancelled"), ["client_error"]);
  assert.deepEqual(of(400, "failed"), ["server_error"]);
  assert.deepEqual(of(503, "refused"), ["server_error"]);
});
