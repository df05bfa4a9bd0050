// A line over time, drawn by uPlot. Refuses to know what the numbers mean; it is told how to say them.
// Invariant: a point without a value is a gap, never zero; the scale starts at zero.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { onThemeChange } from "../place/theme.ts";
import { clock, moment } from "../say/units.ts";

export interface Line {
  label: string;
  /** The label where there is little room. */
  short?: string;
  values: (number | null)[];
  /** The name of a colour variable, such as `--series-1`. */
  colour: string;
}

export interface ChartProps {
  lines: Line[];
  start_ms: number;
  step_ms: number;
  height: number;
  say: (value: number) => string;
  label: string;
  hasAxes?: boolean;
  /** Charts of one group share the cursor. */
  group?: string;
  onPoint?: (index: number | null) => void;
}

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

function optionsOf(element: HTMLElement, props: ChartProps, latest: { current: ChartProps }): uPlot.Options {
  const quiet = colourOf(element, "--ink-3");
  const grid = { stroke: colourOf(element, "--line"), width: 1 };
  const font = `11px ${getComputedStyle(element).fontFamily}`;
  const axis = { stroke: quiet, font, grid, ticks: { ...grid, size: 4 } };
  return {
    width: Math.max(40, element.clientWidth),
    height: props.height,
    legend: { show: false },
    padding: props.hasAxes ? [8, 12, 0, 0] : [4, 1, 2, 1],
    cursor: {
      y: false,
      drag: { x: false, y: false },
      points: { size: 6 },
      ...(props.group ? { sync: { key: props.group, setSeries: false } } : {}),
    },
    scales: { x: { time: true }, y: { range: (_u, _low, high) => [0, high > 0 ? high * 1.12 : 1] } },
    axes: props.hasAxes
      ? [
          { ...axis, space: 90, size: 28, values: (_u, splits) => splits.map((at, i) => (i === 0 ? moment(at * 1000, Date.now()) : clock(at * 1000)).replace(/:\d\d$/, "")) },
          { ...axis, size: 64, values: (_u, splits) => splits.map((value) => latest.current.say(value)) },
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
          ...(at === 0 ? { fill: faded(colour, 0.12) } : {}),
          points: { show: true, size: 4, fill: colour, filter: (u, series) => lonely(u, series) },
        };
      }),
    ],
    hooks: { setCursor: [(u) => latest.current.onPoint?.(u.cursor.idx ?? null)] },
  };
}

function dataOf(props: ChartProps): uPlot.AlignedData {
  const length = props.lines[0]?.values.length ?? 0;
  const times = Array.from({ length }, (_, at) => (props.start_ms + at * props.step_ms) / 1000);
  return [times, ...props.lines.map((line) => line.values)];
}

export function Chart(props: ChartProps) {
  const element = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const shape = props.lines.map((line) => line.colour).join() + String(props.hasAxes) + String(props.height);

  useEffect(() => {
    const holder = element.current;
    if (!holder) return;
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsOf(holder, latest.current, latest), dataOf(latest.current), holder);
    };
    draw();
    const sizes = new ResizeObserver(() => {
      const width = Math.max(40, holder.clientWidth);
      if (plot.current && plot.current.width !== width) plot.current.setSize({ width, height: latest.current.height });
    });
    sizes.observe(holder);
    const forget = onThemeChange(draw);
    return () => {
      sizes.disconnect();
      forget();
      plot.current?.destroy();
      plot.current = null;
    };
  }, [shape]);

  useEffect(() => plot.current?.setData(dataOf(props)), [props.lines, props.start_ms, props.step_ms]);

  return <div class="chart" ref={element} role="img" aria-label={props.label} />;
}
