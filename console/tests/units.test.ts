// Numbers as people read them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { age, bytes, change, changeInPoints, count, durationText, percent, rate, remaining, UNKNOWN, usd, windowOf } from "../src/say/units.ts";

test("what is not known is a dash, never zero", () => {
  for (const say of [count, rate, durationText, percent, usd, bytes]) {
    assert.equal(say(null), UNKNOWN);
    assert.equal(say(undefined), UNKNOWN);
    assert.notEqual(say(0), UNKNOWN);
  }
});

test("counts and rates keep three figures", () => {
  assert.deepEqual([0, 7, 9999, 10_000, 12_345, 999_499, 4_560_000, 3.2e9].map(count), ["0", "7", "9,999", "10.0k", "12.3k", "999k", "4.56M", "3.20B"]);
  assert.deepEqual([0, 0.004, 0.5, 9.876, 98.76, 987.6, 9876, 12_345].map(rate), ["0", "<0.01", "0.50", "9.88", "98.8", "988", "9,876", "12.3k"]);
});

test("durations change their unit where a person would", () => {
  assert.deepEqual([0, 0.25, 7.891, 84.21, 999.4, 999.6, 1240, 99_940, 125_000].map(durationText), ["0 ms", "0.25 ms", "7.89 ms", "84.2 ms", "999 ms", "1.00 s", "1.24 s", "99.9 s", "2 min 05 s"]);
});

test("small money is not rounded away", () => {
  assert.deepEqual([0, 0.000000151, 0.00042, 0.4172, 1.239, 1234.5].map(usd), ["$0", "$0.000000151", "$0.000420", "$0.417", "$1.24", "$1,235"]);
});

test("shares and sizes", () => {
  assert.deepEqual([0, 0.00001, 0.0065, 0.296, 1].map(percent), ["0", "<0.01", "0.65", "29.6", "100"]);
  assert.deepEqual([0, 999, 1000, 412_000_000, 1.2e9].map(bytes), ["0 B", "999 B", "1.00 kB", "412 MB", "1.20 GB"]);
});

test("a change needs something to compare with", () => {
  assert.equal(change(1, null), null);
  assert.equal(change(null, 1), null);
  assert.equal(change(5, 0), null);
  assert.deepEqual(change(0, 0), { text: "no change", direction: "same" });
  assert.deepEqual(change(112, 100), { text: "12 %", direction: "up" });
  assert.deepEqual(change(78, 100), { text: "22 %", direction: "down" });
  assert.deepEqual(change(2000, 100), { text: "×20", direction: "up" });
  assert.deepEqual(changeInPoints(0.0024, 0.0061), { text: "0.37 pt", direction: "down" });
});

test("an age is said roughly, a moment to come exactly", () => {
  const now = Date.UTC(2026, 10, 22, 12);
  assert.deepEqual([10, 50, 600, 3580, 7200, 3 * 86_400].map((seconds) => age(now - seconds * 1000, now)), ["just now", "1 min ago", "10 min ago", "1 h ago", "2 h ago", "3 d ago"]);
  assert.match(age(now + 60_000, now), /2026/);
});

test("a window that does not exist is the usual one", () => {
  assert.equal(windowOf("3600"), 3600);
  for (const text of [null, "", "x", "901", "-300"]) assert.equal(windowOf(text), 900);
});

test("what is left until something is over is said roughly", () => {
  assert.deepEqual([0.2, 41, 700, 25_000, 700_000].map(remaining), ["1 s", "41 s", "12 min", "7 h", "9 d"]);
});
