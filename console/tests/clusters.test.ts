// Marks beside a chart: those too near each other become one, named by the worst of them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clustersOf } from "../src/say/clusters.ts";
import { sayerOf, unitWords } from "../src/say/measures.ts";
import type { Marker, MarkerKind } from "../src/wire/measure-shapes.ts";

function marker(at_ms: number, kind: MarkerKind): Marker {
  return { at_ms, kind, text: `${kind} at ${at_ms}`, link: null };
}

test("marks that are near become one, with the worst kind, and keep their order", () => {
  const found = clustersOf([marker(505, "alert"), marker(500, "configuration"), marker(900, "deploy")], 0, 1000);
  assert.deepEqual(found.map(({ share, kind }) => [share, kind]), [[0.5, "alert"], [0.9, "deploy"]]);
  assert.deepEqual(found[0]?.markers.map((one) => one.at_ms), [500, 505]);
});

test("what lies outside of the window is no mark", () => {
  assert.deepEqual(clustersOf([marker(-1, "deploy"), marker(1001, "alert")], 0, 1000), []);
  assert.equal(clustersOf([marker(5, "deploy")], 5, 5).length, 1);
});

test("a measure's numbers are said by their unit, an unknown unit as it is written", () => {
  assert.equal(sayerOf("ms")(1234), "1.23 s");
  assert.equal(sayerOf("1")(0.0123), "1.23 %");
  assert.equal(sayerOf("1/s")(3.14159), "3.14/s");
  assert.equal(sayerOf("USD/h")(0.5), "$0.500");
  assert.equal(sayerOf("nat")(-1.23456), "-1.23");
  assert.equal(unitWords("nat"), "nat");
  assert.equal(unitWords("ms"), "");
});
