// What a rule would have done last week: its measure with the threshold, and each alert there would have been.
import { sayerOf } from "../say/measures.ts";
import { durationText, fullMoment } from "../say/units.ts";
import type { RulePreview, RuleSettings } from "../wire/alert-shapes.ts";
import type { Marker, Series } from "../wire/measure-shapes.ts";
import { SeriesFrame } from "../parts/chart-frame.tsx";

const MOST_LINES = 6;

export function RuleTried({ preview, settings, unit }: { preview: RulePreview; settings: RuleSettings; unit: string }) {
  const say = sayerOf(unit);
  const series: Series = {
    measure: settings.measure ?? "", unit, start_ms: preview.start_ms, step_ms: preview.step_ms,
    lines: preview.lines.slice(0, MOST_LINES).map((line) => ({ label: line.label || null, values: line.values })),
  };
  const markers: Marker[] = preview.firings.map((firing) => ({ at_ms: firing.opened_at_ms, kind: "alert", text: `would have opened${firing.label ? ` for ${firing.label}` : ""}`, link: null }));
  const many = preview.firings.length;
  return (
    <>
      <SeriesFrame title={many === 0 ? "It would not have alerted last week" : `It would have alerted ${many === 1 ? "once" : `${many} times`} last week`} series={series} markers={markers} limit={settings.above ?? settings.below ?? null} />
      {many > 0 && (
        <section class="panel" aria-labelledby="tried-title">
          <header class="panel-head"><h2 id="tried-title">When</h2></header>
          <ul class="told" data-testid="firings">
            {preview.firings.map((firing) => (
              <li key={`${firing.label}${firing.opened_at_ms}`}>
                <b>{fullMoment(firing.opened_at_ms)}</b>{firing.label && <> {firing.label}</>}{firing.value !== null && <> at {say(firing.value)}</>}
                <span class="quiet"> {firing.resolved_at_ms === null ? "until now" : `for ${durationText(firing.resolved_at_ms - firing.opened_at_ms)}`}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
    </>
  );
}
