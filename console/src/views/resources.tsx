// What there is only so much of, and how much of it is left: machine, disk, accelerators, slots.
import { bytes, count, percent, remaining } from "../say/units.ts";
import type { Tone } from "../say/words.ts";
import type { GpuShown, Headroom, Screen } from "../wire/screen-shapes.ts";
import { Spark } from "../parts/spark.tsx";

const TIGHT = 0.75;
const FULL = 0.9;
/** Nobody needs to be told of what is further away. */
const SOON_S = 7 * 86_400;
/** A machine has this many open files to spare before they are worth a line. */
const FILES_WORTH_A_LINE = 0.5;

interface Row extends Pick<Headroom, "name" | "title" | "used" | "most" | "share" | "history"> {
  said: (value: number) => string;
  notes: { word: string; tone?: Tone }[];
}

const SAID: Record<Headroom["unit"], (value: number) => string> = {
  bytes, cores: (value) => String(Number(value.toPrecision(2))), files: count, share: (value) => `${percent(value)} %`, slots: count,
  watts: (value) => `${count(value)} W`, celsius: (value) => `${count(value)} °C`,
};
const OF_WHAT: Partial<Record<Headroom["unit"], string>> = { cores: " cores", files: " files", slots: " slots" };

function toneOf(share: number): Tone {
  return share >= FULL ? "bad" : share >= TIGHT ? "warn" : "accent";
}

function gpuNotes(gpu: GpuShown | undefined): Row["notes"] {
  if (!gpu) return [];
  const notes: Row["notes"] = [{ word: gpu.name }];
  if (gpu.temperature_c !== null) notes.push({ word: `${count(gpu.temperature_c)} °C` });
  if (gpu.power_w !== null) notes.push({ word: `${count(gpu.power_w)} W` });
  const xids = Object.keys(gpu.xids);
  if (xids.length > 0) notes.push({ word: `Xid ${xids.join(", ")}`, tone: "bad" });
  return notes;
}

function rowOf(room: Headroom, gpus: GpuShown[]): Row {
  const said = SAID[room.unit];
  const notes: Row["notes"] = room.unit === "share" ? [] : [{ word: `${said(room.used)} of ${said(room.most)}${OF_WHAT[room.unit] ?? ""}` }];
  if (room.full_in_s !== null && room.full_in_s < SOON_S) notes.push({ word: `full in ${remaining(room.full_in_s)}`, tone: room.full_in_s < 86_400 ? "bad" : "warn" });
  notes.push(...gpuNotes(gpus.find((gpu) => room.name === `gpu${gpu.index}`)));
  return { ...room, said, notes };
}

/** The slots of our own engines, since the models' table knows them. */
function slotsOf(screen: Screen): Row[] {
  const own = screen.models.flatMap((model) => model.deployments).filter((row) => row.slots !== null);
  const used = own.reduce((sum, row) => sum + (row.slots_busy ?? 0), 0);
  const most = own.reduce((sum, row) => sum + (row.slots ?? 0), 0);
  if (most === 0) return [];
  const waiting = own.reduce((sum, row) => sum + (row.queued ?? 0), 0) + screen.queued;
  const notes: Row["notes"] = [{ word: `${used} of ${most} busy` }];
  if (waiting > 0) notes.push({ word: `${count(waiting)} waiting`, tone: "warn" });
  return [{ name: "slots", title: "Engine slots", used, most, share: used / most, history: [], said: count, notes }];
}

function ResourceRow({ row }: { row: Row }) {
  const tone = toneOf(row.share);
  return (
    <li class="resource">
      <span class="resource-name">{row.title}</span>
      {row.history.length > 2 ? <Spark values={row.history} most={1} label={`${row.title}: share in use over the last hour`} /> : <span />}
      <span class="resource-left num"><b class={tone === "accent" ? "" : `tone-${tone}`}>{percent(Math.max(0, 1 - row.share))} %</b> free</span>
      <span class="meter" role="meter" aria-label={`${row.title} in use`} aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.round(row.share * 100)}>
        <span class={`meter-used tone-${tone}`} style={{ width: `${Math.min(1, row.share) * 100}%` }} />
      </span>
      <span class="resource-more quiet num">
        {row.notes.map((note, at) => <span key={note.word} class={note.tone ? `tone-${note.tone}` : ""}>{at > 0 ? " · " : ""}{note.word}</span>)}
      </span>
    </li>
  );
}

export function Resources({ screen }: { screen: Screen }) {
  const { headroom = [], gpus = [] } = screen.resources ?? {};
  const rooms = headroom.filter((room) => room.unit !== "files" || room.share >= FILES_WORTH_A_LINE);
  const rows = [...rooms.map((room) => rowOf(room, gpus)), ...slotsOf(screen)];
  if (rows.length === 0) return null;
  return (
    <section class="panel resources" aria-labelledby="resources-title" data-testid="resources">
      <header class="panel-head">
        <h2 id="resources-title">Resources</h2>
      </header>
      <ul>{rows.map((row) => <ResourceRow key={row.name} row={row} />)}</ul>
    </section>
  );
}
