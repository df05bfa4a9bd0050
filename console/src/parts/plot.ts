// How uPlot is to draw: axes, colours of the theme, gaps, marks, a limit. Refuses to know the page around it.
import uPlot from "uplot";
import { clock, day, moment } from "../say/units.ts";
import type { MarkerKind } from "../wire/measure-shapes.ts";
import type { ChartProps } from "./chart.tsx";

export interface Line {
  label: string;
  /** The label where there is little room. */
  short?: string;
  values: (number | null)[];
  /** The name of a colour variable, such as `--series-1`. */
  colour: string;
}

/** The colours of lines, in order. */
export const LINE_COLOURS = ["--series-1", "--series-2", "--series-3", "--series-4", "--series-5", "--series-6"];

export const AXIS_WIDTH = 64;
export const RIGHT_PADDING = 12;
const LONG_S = 2 * 86_400;
const MARK_COLOURS: Record<MarkerKind, string> = { alert: "--bad", deploy: "--accent", configuration: "--ink-3" };

/** The value of a colour variable in the theme that is in force, as a colour that a canvas understands. */
function colourOf(element: HTMLElement, variable: string): string {
  element.style.color = `var(${variable})`;
  const colour = getComputedStyle(element).color;
  element.style.color = "";
  return colour;
}

function faded(colour: string, alpha: number): string {
  const parts = colour.match(/[\d.]+/g)?.slice(0, 3) ?? ["0", "0", "0"];
  return `rgba(${parts.join(",")},${alpha})`;
}

/** Indices of points that have no neighbour to draw a line to. */
function lonely(u: uPlot, series: number): number[] {
  const values = u.data[series] ?? [];
  return Array.from(values.keys()).filter((at) => values[at] != null && values[at - 1] == null && values[at + 1] == null);
}

/** Draws a dashed line: upright at a time, or level at a value. */
function dashed(u: uPlot, colour: string, from: [number, number], to: [number, number]): void {
  const context = u.ctx;
  context.save();
  context.strokeStyle = colour;
  context.lineWidth = window.devicePixelRatio;
  context.setLineDash([4 * window.devicePixelRatio, 4 * window.devicePixelRatio]);
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
  context.restore();
}

function drawOver(u: uPlot, element: HTMLElement, props: ChartProps): void {
  const { left, top, width, height } = u.bbox;
  const times = u.data[0];
  const [first, last] = [times[0] ?? 0, times.at(-1) ?? 0];
  for (const marker of props.hasAxes ? (props.markers ?? []) : []) {
    const at = marker.at_ms / 1000;
    if (at < first || at > last) continue;
    const x = u.valToPos(at, "x", true);
    dashed(u, faded(colourOf(element, MARK_COLOURS[marker.kind]), 0.55), [x, top], [x, top + height]);
  }
  if (props.limit === null || props.limit === undefined) return;
  const y = u.valToPos(props.limit, "y", true);
  if (y >= top) dashed(u, colourOf(element, "--warn"), [left, y], [left + width, y]);
}

function timeTexts(splits: number[], span_s: number): string[] {
  const now = Date.now();
  if (span_s > LONG_S) return splits.map((at) => day(at * 1000));
  const short = (text: string): string => (span_s > 600 ? text.replace(/:\d\d$/, "") : text);
  return splits.map((at, i) => short(i === 0 ? moment(at * 1000, now) : clock(at * 1000)));
}

/** Returns uPlot's options for a chart. */
export function optionsOf(element: HTMLElement, latest: { current: ChartProps }, onPoint: (index: number | null) => void): uPlot.Options {
  const props = latest.current;
  const quiet = colourOf(element, "--ink-3");
  const grid = { stroke: colourOf(element, "--line"), width: 1 };
  const font = `11px ${getComputedStyle(element).fontFamily}`;
  const axis = { stroke: quiet, font, grid, ticks: { ...grid, size: 4 } };
  return {
    width: Math.max(40, element.clientWidth),
    height: props.height,
    legend: { show: false },
    padding: props.hasAxes ? [8, RIGHT_PADDING, 0, 0] : [4, 1, 2, 1],
    cursor: {
      y: false,
      drag: { x: false, y: false },
      points: { size: 6 },
      ...(props.group ? { sync: { key: props.group, setSeries: false } } : {}),
    },
    scales: {
      x: { time: true },
      y: {
        range: (_u, low, high) => {
          const top = Math.max(high, props.hasAxes ? (latest.current.limit ?? high) : high);
          return [Math.min(0, low ?? 0) * 1.08, top > 0 ? top * 1.12 : low < 0 ? 0 : 1];
        },
      },
    },
    axes: props.hasAxes
      ? [
          { ...axis, space: 90, size: 28, values: (u, splits) => timeTexts(splits, (u.data[0].at(-1) ?? 0) - (u.data[0][0] ?? 0)) },
          { ...axis, size: AXIS_WIDTH, values: (_u, splits) => splits.map((value) => latest.current.say(value)) },
        ]
      : [{ show: false }, { show: false }],
    series: [
      {},
      ...props.lines.map((line, at): uPlot.Series => {
        const colour = colourOf(element, line.colour);
        return {
          label: line.label,
          stroke: colour,
          width: 1.5,
          spanGaps: false,
          ...(at === 0 && props.lines.length <= 2 ? { fill: faded(colour, 0.12) } : {}),
          points: { show: true, size: 4, fill: colour, filter: (u, series) => lonely(u, series) },
        };
      }),
    ],
    hooks: {
      setCursor: [(u) => onPoint(u.cursor.left !== undefined && u.cursor.left < 0 ? null : (u.cursor.idx ?? null))],
      draw: [(u) => drawOver(u, element, latest.current)],
    },
  };
}

/** Returns the numbers as uPlot takes them. */
export function dataOf(props: ChartProps): uPlot.AlignedData {
  const length = props.lines[0]?.values.length ?? 0;
  const times = Array.from({ length }, (_, at) => (props.start_ms + at * props.step_ms) / 1000);
  return [times, ...props.lines.map((line) => line.values)];
}
