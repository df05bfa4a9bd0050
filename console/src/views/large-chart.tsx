// One golden number opened large: split by what one likes, with its query, its CSV and the way to an alert.
import { useEffect, useRef } from "preact/hooks";
import { changeQuery } from "../place/address.ts";
import type { Dimension } from "../wire/measure-shapes.ts";
import { ChartFrame } from "../parts/chart-frame.tsx";

const SPLITS: { by: Dimension | ""; word: string }[] = [
  { by: "", word: "all together" },
  { by: "model", word: "by model" },
  { by: "provider", word: "by provider" },
  { by: "deployment", word: "by deployment" },
  { by: "key", word: "by key" },
  { by: "team", word: "by team" },
];

export function LargeChart({ measure, title, window_s, by }: { measure: string; title: string; window_s: number; by: string | null }) {
  const holder = useRef<HTMLDivElement>(null);
  const chosen = SPLITS.find((split) => split.by === (by ?? ""))?.by ?? "";
  useEffect(() => holder.current?.scrollIntoView({ block: "nearest" }), [measure]);
  return (
    <div ref={holder} class="large-chart" data-testid="large-chart">
      <ChartFrame measure={measure} title={title} by={chosen || null} window_s={window_s} onClose={() => changeQuery({ chart: null, by: null })}>
        <label>
          <span class="offscreen">Split</span>
          <select class="small-select" value={chosen} onChange={(event) => changeQuery({ by: event.currentTarget.value || null })}>
            {SPLITS.map((split) => <option key={split.by} value={split.by}>{split.word}</option>)}
          </select>
        </label>
      </ChartFrame>
    </div>
  );
}
