// Recorded bodies as turns: whatever the body is, nothing is lost and nothing throws.
import assert from "node:assert/strict";
import { test } from "node:test";
import { jsonIn, requestTurns, responseTurns } from "../src/say/messages.ts";

test("a chat: roles, parts, media as digest, tool calls with their arguments parsed", () => {
  const turns = requestTurns({
    messages: [
      { role: "user", content: [{ type: "text", text: "Look." }, { type: "image_url", image_url: { url: `sha256:${"ab".repeat(32)};bytes=184221` } }] },
      { role: "assistant", content: null, tool_calls: [{ id: "c1", function: { name: "tide", arguments: '{"berth":4}' } }] },
      { role: "tool", tool_call_id: "c1", content: '{"height_m":2.4}' },
    ],
  });
  assert.deepEqual(turns[0]?.parts[1], { kind: "media", what: "image", digest: `sha256:${"ab".repeat(32)}`, bytes: 184_221 });
  assert.deepEqual(turns[1]?.toolCalls, [{ id: "c1", name: "tide", arguments: { berth: 4 } }]);
  assert.deepEqual([turns[2]?.role, turns[2]?.note], ["tool", "c1"]);
});

test("completions and embeddings: each input is a turn, tokens stay together", () => {
  assert.deepEqual(requestTurns({ prompt: "Once" }).map((turn) => turn.role), ["prompt"]);
  assert.deepEqual(requestTurns({ input: ["a", "b"] }).map((turn) => turn.note), ["1 of 2", "2 of 2"]);
  assert.equal(requestTurns({ prompt: [1, 2, 3] }).length, 1);
});

test("answers: each choice with its end, an error by its name, an unknown shape as JSON", () => {
  const turns = responseTurns({ choices: [{ index: 0, finish_reason: "stop", message: { role: "assistant", content: "A" } }, { index: 1, finish_reason: "length", text: "B" }] });
  assert.deepEqual(turns.map((turn) => turn.note), ["choice 1 of 2 · finish: stop", "choice 2 of 2 · finish: length"]);
  assert.equal(responseTurns({ error: { message: "no" } })[0]?.role, "error");
  assert.deepEqual(responseTurns({ count: 2 })[0]?.parts, [{ kind: "json", value: { count: 2 } }]);
});

test("what is cut, empty or absurd is shown as it is", () => {
  assert.deepEqual(requestTurns('{"messages": [{"ro')[0]?.parts, [{ kind: "text", text: '{"messages": [{"ro' }]);
  assert.deepEqual(requestTurns(null), []);
  assert.deepEqual(responseTurns(undefined), []);
  for (const body of [0, true, [], {}, { messages: [null, 1, "x"] }, { choices: [null, {}] }, { messages: [{ content: [null, 1] }] }]) {
    assert.ok(Array.isArray(requestTurns(body)));
    assert.ok(Array.isArray(responseTurns(body)));
  }
});

test("JSON inside text is found only where the whole text is JSON", () => {
  assert.deepEqual(jsonIn(' {"a": 1} '), { a: 1 });
  for (const text of ["1", '"x"', "{not json}", "see {\"a\":1}"]) assert.equal(jsonIn(text), null);
});
