// Lines over time, drawn by uPlot, with a cursor for the pointer and the arrow keys.
// Refuses to know what the numbers mean; it is told how to say them.
// Invariant: a point without a value is a gap, never zero; the scale starts at zero unless a value is below.
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { moment } from "../say/units.ts";
import { onThemeChange } from "../place/theme.ts";
import { AXIS_WIDTH, dataOf, type Line, optionsOf, RIGHT_PADDING } from "./plot.ts";
import { Ribbon } from "./ribbon.tsx";
import type { Marker } from "../wire/measure-shapes.ts";

export type { Line } from "./plot.ts";

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
  /** What happened meanwhile. */
  markers?: readonly Marker[];
  /** A value that is not to be crossed. */
  limit?: number | null;
}

/** The moment under the cursor and every line's value there. */
function Tip({ props, index }: { props: ChartProps; index: number }) {
  const length = props.lines[0]?.values.length ?? 0;
  const share = length > 1 ? index / (length - 1) : 0;
  const isRight = share > 0.6;
  const left = `calc(${AXIS_WIDTH}px + (100% - ${AXIS_WIDTH + RIGHT_PADDING}px) * ${share})`;
  return (
    <div class={`tip${isRight ? " is-right" : ""}`} style={{ left }} role="status">
      <p class="tip-time num">{moment(props.start_ms + index * props.step_ms, Date.now())}</p>
      {props.lines.map((line) => {
        const value = line.values[index];
        return (
          <p key={line.label} class="tip-line num">
            <span class={`swatch swatch${line.colour}`} aria-hidden="true" />
            <span class="tip-label">{line.label}</span> <b>{value === null || value === undefined ? "–" : props.say(value)}</b>
          </p>
        );
      })}
    </div>
  );
}

const STEPS: Record<string, (index: number, last: number) => number> = {
  ArrowLeft: (index) => index - 1,
  ArrowRight: (index) => index + 1,
  PageUp: (index) => index - 10,
  PageDown: (index) => index + 10,
  Home: () => 0,
  End: (_index, last) => last,
};

export function Chart(props: ChartProps) {
  const element = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  const [index, setIndex] = useState<number | null>(null);
  latest.current = props;
  const last = (props.lines[0]?.values.length ?? 1) - 1;
  const shape = props.lines.map((line) => line.colour).join() + String(props.hasAxes) + String(props.height) + String(props.limit);

  useEffect(() => {
    const holder = element.current;
    if (!holder) return;
    const onPoint = (at: number | null): void => {
      setIndex(at);
      latest.current.onPoint?.(at);
    };
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsOf(holder, latest, onPoint), dataOf(latest.current), holder);
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
  useEffect(() => plot.current?.redraw(false), [props.markers]);

  const pointAt = (at: number | null): void => {
    const u = plot.current;
    if (!u) return;
    const time = at === null ? undefined : u.data[0][Math.min(last, Math.max(0, at))];
    u.setCursor({ left: time === undefined ? -10 : u.valToPos(time, "x"), top: 10 });
  };
  const onKey = (event: KeyboardEvent): void => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && index !== null) {
      event.preventDefault();
      pointAt(null);
      return;
    }
    const step = STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    pointAt(step(index ?? last, last));
  };

  if (!props.hasAxes) {
    return (
      <div class="chart is-small">
        <div ref={element} role="img" aria-label={props.label} />
        {props.markers && <Ribbon isSmall markers={props.markers} start_ms={props.start_ms} end_ms={props.start_ms + last * props.step_ms} />}
      </div>
    );
  }
  return (
    <div class="chart has-axes">
      <div class="chart-ribbon">{props.markers && <Ribbon markers={props.markers} start_ms={props.start_ms} end_ms={props.start_ms + last * props.step_ms} />}</div>
      {/* The plot can be focused, so that the arrow keys can walk through its moments. */}
      <div ref={element} class="chart-plot" role="img" tabIndex={0} aria-label={`${props.label}. The arrow keys walk through its moments.`} onKeyDown={onKey} onBlur={() => pointAt(null)} />
      {index !== null && <Tip props={props} index={index} />}
    </div>
  );
}
