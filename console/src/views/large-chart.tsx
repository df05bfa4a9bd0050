// One golden number opened large, with axes and a legend.
import { useEffect, useRef, useState } from "preact/hooks";
import { changeQuery } from "../place/address.ts";
import { moment } from "../say/units.ts";
import type { Overview } from "../wire/shapes.ts";
import { Chart, type Line } from "../parts/chart.tsx";
import { Icon } from "../parts/icon.tsx";

export function LargeChart({ name, lines, say, overview }: { name: string; lines: Line[]; say: (value: number) => string; overview: Overview }) {
  const [index, setIndex] = useState<number | null>(null);
  const panel = useRef<HTMLElement>(null);
  useEffect(() => panel.current?.scrollIntoView({ block: "nearest" }), [name]);
  const at_ms = index === null ? null : overview.series_start_ms + index * overview.series_step_ms;
  return (
    <section ref={panel} class="panel large-chart" aria-label={`${name}, large`} data-testid="large-chart">
      <header class="panel-head">
        <h2>{name}</h2>
        <ul class="legend num">
          {lines.map((line) => {
            const value = index === null ? undefined : line.values[index];
            return (
              <li key={line.label}>
                <span class={`swatch swatch${line.colour}`} aria-hidden="true" />
                {line.label}
                {value !== undefined && <b> {value === null ? "–" : say(value)}</b>}
              </li>
            );
          })}
          <li class="quiet">{at_ms === null ? `each point is ${Math.round(overview.series_step_ms / 1000)} s` : moment(at_ms, overview.now_ms)}</li>
        </ul>
        <button type="button" class="button icon-only plain" aria-label="Close the chart" onClick={() => changeQuery({ chart: null })}>
          <Icon name="close" />
        </button>
      </header>
      <Chart lines={lines} start_ms={overview.series_start_ms} step_ms={overview.series_step_ms} height={220} say={say} hasAxes group="golden" onPoint={setIndex} label={`${name} over time`} />
    </section>
  );
}
