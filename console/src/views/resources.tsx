// What there is only so much of, and how much of it is left: machine, disk, accelerators, slots.
import { bytes, count, percent } from "../say/units.ts";
import type { Tone } from "../say/words.ts";
import type { ResourceShown, Screen } from "../wire/screen-shapes.ts";

const TIGHT = 0.75;
const FULL = 0.9;

function said(value: number | null, unit: string): string {
  if (value === null) return "–";
  if (unit === "bytes") return bytes(value);
  if (unit === "share") return `${percent(value)} %`;
  return `${count(value)}${unit ? ` ${unit}` : ""}`;
}

function toneOf(share: number | null): Tone {
  if (share === null) return "quiet";
  return share >= FULL ? "bad" : share >= TIGHT ? "warn" : "accent";
}

/** The slots of our own engines, since the models' table knows them. */
function slotsOf(screen: Screen): ResourceShown[] {
  const own = screen.models.flatMap((model) => model.deployments).filter((row) => row.slots !== null);
  if (own.length === 0) return [];
  const used = own.reduce((sum, row) => sum + (row.slots_busy ?? 0), 0);
  const most = own.reduce((sum, row) => sum + (row.slots ?? 0), 0);
  const waiting = own.reduce((sum, row) => sum + (row.queued ?? 0), 0) + screen.queued;
  return [{ name: "Engine slots", used, most, unit: "", note: waiting > 0 ? `${count(waiting)} waiting` : null }];
}

function Row({ resource }: { resource: ResourceShown }) {
  const { name, used, most, unit, note } = resource;
  const share = used !== null && most ? Math.min(1, used / most) : null;
  const tone = toneOf(share);
  const left = share === null ? null : 1 - share;
  return (
    <li class="resource">
      <span class="resource-name">{name}</span>
      <span class="resource-left num">{left === null ? said(used, unit) : <><b class={tone === "accent" ? "" : `tone-${tone}`}>{percent(left)} %</b> free</>}</span>
      <span class="meter" role="meter" aria-label={`${name} in use`} aria-valuemin={0} aria-valuemax={100} aria-valuenow={share === null ? 0 : Math.round(share * 100)}>
        {share !== null && <span class={`meter-used tone-${tone}`} style={{ width: `${share * 100}%` }} />}
      </span>
      <span class="resource-more quiet num">{share === null ? "" : unit === "share" ? "" : `${said(used, unit)} of ${said(most, unit)}`}{note ? `${share === null || unit === "share" ? "" : " · "}${note}` : ""}</span>
    </li>
  );
}

export function Resources({ screen }: { screen: Screen }) {
  const rows = [...(screen.resources ?? []), ...slotsOf(screen)];
  if (rows.length === 0) return null;
  return (
    <section class="panel resources" aria-labelledby="resources-title" data-testid="resources">
      <header class="panel-head">
        <h2 id="resources-title">Resources</h2>
      </header>
      <ul>{rows.map((resource) => <Row key={resource.name} resource={resource} />)}</ul>
    </section>
  );
}
