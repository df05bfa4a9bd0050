// How many rows pass, over time: bars that a stretch can be drawn over to look at it alone.
// Refuses to know the filter. Invariant: what is drawn can be read without a pointer too.
import { useRef, useState } from "preact/hooks";
import { clock, count, moment } from "../say/units.ts";
import type { Histogram } from "../wire/traces-shapes.ts";

const HEIGHT = 64;

export interface BarsProps {
  histogram: Histogram;
  onNarrow: (from_ms: number, to_ms: number) => void;
}

export function Bars({ histogram, onNarrow }: BarsProps) {
  const { ok, errors, start_ms, step_ms } = histogram;
  const [drawn, setDrawn] = useState<[number, number] | null>(null);
  const [at, setAt] = useState<number | null>(null);
  const box = useRef<SVGSVGElement>(null);
  const most = Math.max(1, ...ok.map((value, index) => value + (errors[index] ?? 0)));
  const width = ok.length;

  const indexOf = (event: PointerEvent): number => {
    const bounds = box.current?.getBoundingClientRect();
    if (!bounds || bounds.width === 0) return 0;
    return Math.min(width - 1, Math.max(0, Math.floor(((event.clientX - bounds.left) / bounds.width) * width)));
  };
  const onDown = (event: PointerEvent): void => {
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    const index = indexOf(event);
    setDrawn([index, index]);
  };
  const onMove = (event: PointerEvent): void => {
    const index = indexOf(event);
    setAt(index);
    setDrawn((old) => (old ? [old[0], index] : null));
  };
  const onUp = (): void => {
    if (drawn) {
      const [low, high] = [Math.min(...drawn), Math.max(...drawn)];
      onNarrow(start_ms + low * step_ms, start_ms + (high + 1) * step_ms);
    }
    setDrawn(null);
  };

  const total = ok.reduce((sum, value) => sum + value, 0);
  const failed = errors.reduce((sum, value) => sum + value, 0);
  const shown = at !== null && at < width ? at : null;
  return (
    <figure class="timeline-bars" data-testid="histogram">
      <svg
        ref={box}
        viewBox={`0 0 ${width} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${count(total + failed)} calls and spans, ${count(failed)} of them failed, from ${moment(start_ms, Date.now())} to ${moment(start_ms + width * step_ms, Date.now())}`}
        onPointerDown={onDown}
        onPointerMove={onMove}
        onPointerUp={onUp}
        onPointerCancel={() => setDrawn(null)}
        onPointerLeave={() => setAt(null)}
      >
        {ok.map((value, index) => {
          const bad = errors[index] ?? 0;
          const high = ((value + bad) / most) * (HEIGHT - 2);
          const low = (bad / most) * (HEIGHT - 2);
          return (
            <g key={index}>
              {value > 0 && <rect class="bar-ok" x={index + 0.1} width={0.8} y={HEIGHT - Math.max(1, high)} height={Math.max(1, high - low)} />}
              {bad > 0 && <rect class="bar-bad" x={index + 0.1} width={0.8} y={HEIGHT - Math.max(1.5, low)} height={Math.max(1.5, low)} />}
            </g>
          );
        })}
        {drawn && <rect class="bar-brush" x={Math.min(...drawn)} width={Math.abs(drawn[1] - drawn[0]) + 1} y={0} height={HEIGHT} />}
      </svg>
      <figcaption class="timeline-foot num quiet">
        <span>{moment(start_ms, Date.now())}</span>
        <span aria-live="off">
          {shown === null
            ? `${count(total + failed)} calls and spans${failed > 0 ? `, ${count(failed)} failed` : ""} · draw over a stretch to narrow`
            : `${clock(start_ms + shown * step_ms)}: ${count(ok[shown] ?? 0)} ok, ${count(errors[shown] ?? 0)} failed`}
        </span>
        <span>{moment(start_ms + width * step_ms, Date.now())}</span>
      </figcaption>
    </figure>
  );
}
