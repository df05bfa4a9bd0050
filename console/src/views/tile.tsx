// One golden number. Hovering any tile shows the same moment in all of them.
import { useState } from "preact/hooks";
import { type Change, clock, moment, UNKNOWN } from "../say/units.ts";
import type { Marker } from "../wire/measure-shapes.ts";
import type { ObjectiveShown } from "../wire/screen-shapes.ts";
import type { Overview } from "../wire/shapes.ts";
import type { Tone } from "../say/words.ts";
import { Chart, type Line } from "../parts/chart.tsx";
import { ChangeMark } from "../parts/small.tsx";

export interface TileProps {
  id: string;
  name: string;
  value: string;
  unit: string;
  more: [string, string][];
  change: Change | null;
  better: "up" | "down" | null;
  lines: Line[];
  say: (value: number) => string;
  overview: Overview;
  markers: readonly Marker[];
  /** The aim set for this number, if there is one. */
  objective: ObjectiveShown | null;
  window: string;
  isChosen: boolean;
  onChoose: () => void;
}

const CHART_HEIGHT = 46;
const OBJECTIVE_TONES: Record<ObjectiveShown["state"], Tone> = { ok: "good", burning: "warn", spent: "bad", unknown: "quiet" };
const OBJECTIVE_WORDS: Record<ObjectiveShown["state"], string> = { ok: "on target", burning: "burning its budget", spent: "budget spent", unknown: "too few calls" };

function highest(lines: Line[]): number | null {
  const known = (lines[0]?.values ?? []).filter((value) => value !== null);
  return known.length > 0 ? Math.max(...known) : null;
}

/** What the line under the chart says: the moment under the cursor, or the highest point. */
function footOf({ lines, say, overview }: TileProps, index: number | null): string {
  if (index !== null) {
    const at_ms = overview.series_start_ms + index * overview.series_step_ms;
    const values = lines.map((line) => {
      const value = line.values[index];
      const said = value === null || value === undefined ? UNKNOWN : say(value);
      return lines.length > 1 ? `${line.short ?? line.label} ${said}` : said;
    });
    const time = overview.window_s > 86_400 ? moment(at_ms, overview.now_ms) : clock(at_ms);
    // Two values need the room that the seconds take.
    return `${lines.length > 1 ? time.replace(/:\d\d$/, "") : time}  ${values.join("  ")}`;
  }
  const most = highest(lines);
  return most === null ? "nothing in this window" : `up to ${say(most)}`;
}

export function Tile(props: TileProps) {
  const [index, setIndex] = useState<number | null>(null);
  const { id, name, value, unit, more, lines, overview } = props;
  const most = highest(lines);
  const { objective } = props;
  const tone = objective && objective.state !== "unknown" ? OBJECTIVE_TONES[objective.state] : null;
  return (
    <article class={`tile${props.isChosen ? " is-chosen" : ""}${tone ? ` has-aim tone-${tone}` : ""}`} data-testid={`tile-${id}`}>
      <header class="tile-head">
        <button type="button" class="tile-name" aria-expanded={props.isChosen} title="Open the chart" onClick={props.onChoose}>{name}</button>
        <ChangeMark change={props.change} better={props.better} window={props.window} />
      </header>
      <p class="tile-value num" title={objective ? `${objective.name}: ${OBJECTIVE_WORDS[objective.state]}` : undefined}>
        <b>{value}</b>
        {unit && <span class="tile-unit">{unit}</span>}
        {objective && <span class="offscreen"> Objective {objective.name}: {OBJECTIVE_WORDS[objective.state]}.</span>}
      </p>
      <p class="tile-more num">
        {more.map(([label, text]) => (
          <span key={label}>{label && <span class="quiet">{label} </span>}{text}</span>
        ))}
      </p>
      <Chart
        lines={lines} start_ms={overview.series_start_ms} step_ms={overview.series_step_ms} height={CHART_HEIGHT}
        say={props.say} group="golden" onPoint={setIndex} markers={props.markers}
        label={`${name} over the last ${props.window}: now ${value} ${unit}${most === null ? "" : `, highest ${props.say(most)}`}`}
      />
      <p class="tile-foot num">{footOf(props, index)}</p>
    </article>
  );
}
