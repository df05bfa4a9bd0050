// A rule, new or changed: what it watches and when it alerts, tried on the last week before it is kept.
import { useEffect, useMemo, useState } from "preact/hooks";
import { hrefOf, openView } from "../place/address.ts";
import { KINDS } from "../say/alerts.ts";
import type { ReceiverRow, RuleKind, RulePreview, RuleRow, RuleSettings, Severity } from "../wire/alert-shapes.ts";
import { type ApiFailure, ask, asFailure } from "../wire/client.ts";
import type { Dimension, MeasureEntry } from "../wire/measure-shapes.ts";
import { allMeasures } from "../wire/measures.ts";
import { usePolled } from "../wire/polling.ts";
import type { Session } from "../wire/shapes.ts";
import { FailureNotice } from "../parts/notice.tsx";
import { RuleTried } from "./alerts-tried.tsx";

const DIMENSIONS: Dimension[] = ["model", "provider", "deployment", "key", "team", "operation"];
const SEVERITIES: Severity[] = ["critical", "warning", "info"];
const LIVE: { name: string; title: string; unit: string }[] = [
  { name: "engines_down", title: "Engines down", unit: "" },
  { name: "gateways_down", title: "Gateways down", unit: "" },
  { name: "disk_used_share", title: "Disk used", unit: "1" },
];
const WINDOWS_S: Record<RuleKind, number> = { threshold: 300, change: 900, absence: 900, anomaly: 3600, burn_rate: 300 };

function number(form: FormData, name: string, scale = 1): number | undefined {
  const text = String(form.get(name) ?? "").trim();
  return text === "" ? undefined : Number(text) / scale;
}

function text(form: FormData, name: string): string | undefined {
  return String(form.get(name) ?? "").trim() || undefined;
}

/** What the form says, as the configuration would have it. */
function settingsOf(form: FormData, isShare: boolean, known: RuleSettings | null): RuleSettings {
  const kind = String(form.get("kind")) as RuleKind;
  const scale = isShare ? 100 : 1;
  const only = Object.fromEntries(DIMENSIONS.map((name) => [name, text(form, `only-${name}`)]).filter(([, value]) => value !== undefined)) as Record<string, string>;
  const side = String(form.get("side") ?? "above");
  const limit = number(form, "limit", scale);
  const made: Record<string, unknown> = {
    ...(known?.is_off ? { is_off: true } : {}),
    kind,
    measure: kind === "burn_rate" ? undefined : text(form, "measure"),
    objective: kind === "burn_rate" ? text(form, "objective") : undefined,
    above: kind === "threshold" && side === "above" ? limit : undefined,
    below: kind === "threshold" && side === "below" ? limit : undefined,
    rises_by: kind === "change" ? number(form, "rises", 100) : undefined,
    falls_by: kind === "change" ? number(form, "falls", 100) : undefined,
    deviations: kind === "anomaly" ? number(form, "deviations") : undefined,
    window_s: kind === "burn_rate" ? undefined : number(form, "window_s"),
    for_s: number(form, "for_s"),
    min_calls: number(form, "min_calls"),
    by: text(form, "by"),
    only: Object.keys(only).length > 0 ? only : undefined,
    severity: text(form, "severity"),
    receivers: form.getAll("receiver").length > 0 ? form.getAll("receiver").map(String) : undefined,
    runbook: text(form, "runbook"),
  };
  return Object.fromEntries(Object.entries(made).filter(([, value]) => value !== undefined)) as unknown as RuleSettings;
}

function firstSettings(query: URLSearchParams): RuleSettings {
  const only = Object.fromEntries(DIMENSIONS.filter((name) => query.has(name)).map((name) => [name, query.get(name) ?? ""]));
  const by = query.get("by");
  return { kind: "threshold", measure: query.get("measure") ?? "latency_p95_ms", ...(by ? { by } : {}), ...(Object.keys(only).length > 0 ? { only } : {}) };
}

export function RuleForm({ session, query, name }: { session: Session; query: URLSearchParams; name?: string | undefined }) {
  const rules = usePolled<{ data: RuleRow[] }>(name === undefined ? null : "/api/v1/alert-rules", 60_000);
  const known = rules.data?.data.find((rule) => rule.name === name);
  const mayChange = session.role === "admin" || session.role === "root";
  return (
    <div class="alert-page">
      <p><a href={hrefOf("alerts", {}, ["rules"])} data-inside>All rules</a></p>
      {!mayChange && <p class="notice" role="status">Making and changing rules needs the role admin.</p>}
      {rules.failure && <FailureNotice failure={rules.failure} />}
      {name === undefined && <Fields first={firstSettings(query)} mayChange={mayChange} />}
      {name !== undefined && known && <Fields first={known.settings} name={name} mayChange={mayChange && known.origin === "stored"} />}
      {name !== undefined && rules.data && !known && <p class="empty">There is no such rule.</p>}
    </div>
  );
}

function Fields({ first, name, mayChange }: { first: RuleSettings; name?: string | undefined; mayChange: boolean }) {
  const [measures, setMeasures] = useState<MeasureEntry[]>([]);
  const receivers = usePolled<{ data: ReceiverRow[] }>("/api/v1/receivers", 60_000);
  const [kind, setKind] = useState<RuleKind>(first.kind);
  const [measure, setMeasure] = useState(first.measure ?? "latency_p95_ms");
  const [tried, setTried] = useState<{ preview: RulePreview; settings: RuleSettings } | null>(null);
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const [isBusy, setBusy] = useState(false);
  useEffect(() => void allMeasures().then(setMeasures), []);
  const choices = useMemo(() => {
    const all = [...measures, ...LIVE.filter((one) => !measures.some((known) => known.name === one.name))];
    return all.some((one) => one.name === measure) ? all : [...all, { name: measure, title: measure, unit: "" }];
  }, [measures, measure]);
  const unit = choices.find((one) => one.name === measure)?.unit ?? "";
  const isShare = unit === "1" && !measure.startsWith("metric.") && measure !== "feedback_count";
  const limit = first.above ?? first.below;

  const act = (form: HTMLFormElement, isTrying: boolean): void => {
    const data = new FormData(form);
    const settings = settingsOf(data, isShare, name === undefined ? null : first);
    setBusy(true);
    setFailure(null);
    const asked = isTrying
      ? ask<RulePreview>("/api/v1/alert-rules/preview", { method: "POST", body: { settings } }).then((preview) => setTried({ preview, settings }))
      : name === undefined
        ? ask("/api/v1/alert-rules", { method: "POST", body: { name: text(data, "name"), settings } }).then(() => openView("alerts", {}, ["rules"]))
        : ask(`/api/v1/alert-rules/${encodeURIComponent(name)}`, { method: "PUT", body: { settings } }).then(() => openView("alerts", {}, ["rules"]));
    asked.catch((thrown: unknown) => setFailure(asFailure(thrown))).finally(() => setBusy(false));
  };

  return (
    <>
      <section class="panel" aria-labelledby="rule-title">
        <header class="panel-head"><h1 id="rule-title">{name === undefined ? "New rule" : `Rule ${name}`}</h1><span class="quiet" aria-live="polite">{KINDS.find((one) => one.kind === kind)?.means}</span></header>
        <form class="form rule-form" data-testid="rule-form" onSubmit={(event) => { event.preventDefault(); act(event.currentTarget as HTMLFormElement, false); }}>
          {name === undefined && <label class="field"><span>Name</span><input name="name" required pattern="[A-Za-z0-9][A-Za-z0-9._\-]*" maxLength={100} autocomplete="off" title="Letters, figures, dots, dashes" /></label>}
          <label class="field"><span>Kind</span><select name="kind" value={kind} onChange={(event) => setKind(event.currentTarget.value as RuleKind)}>{KINDS.map((one) => <option key={one.kind} value={one.kind}>{one.word}</option>)}</select></label>
          {kind !== "burn_rate" && <label class="field"><span>Measure</span><select name="measure" value={measure} onChange={(event) => setMeasure(event.currentTarget.value)}>{choices.map((one) => <option key={one.name} value={one.name}>{one.title} ({one.name})</option>)}</select></label>}
          {kind === "burn_rate" && <label class="field"><span>Objective (empty: all)</span><input name="objective" defaultValue={first.objective ?? ""} autocomplete="off" /></label>}
          {kind === "threshold" && (
            <>
              <label class="field"><span>Alert when it is</span><select name="side"><option value="above">above</option><option value="below" selected={first.below !== undefined}>below</option></select></label>
              <label class="field"><span>Value{isShare ? " (%)" : unit ? ` (${unit})` : ""}</span><input name="limit" type="number" step="any" required defaultValue={limit === undefined ? "" : String(isShare ? limit * 100 : limit)} /></label>
            </>
          )}
          {kind === "change" && (
            <>
              <label class="field"><span>Rises by (%)</span><input name="rises" type="number" min="1" step="any" defaultValue={first.rises_by === undefined ? "50" : String(first.rises_by * 100)} /></label>
              <label class="field"><span>Falls by (%)</span><input name="falls" type="number" min="1" max="100" step="any" defaultValue={first.falls_by === undefined ? "" : String(first.falls_by * 100)} /></label>
            </>
          )}
          {kind === "anomaly" && <label class="field"><span>Deviations from the usual</span><input name="deviations" type="number" min="2" max="100" step="any" defaultValue={String(first.deviations ?? 6)} /></label>}
          {kind !== "burn_rate" && <label class="field"><span>Over (seconds)</span><input key={kind} name="window_s" type="number" min="5" step="any" defaultValue={String(first.window_s ?? WINDOWS_S[kind])} /></label>}
          <label class="field"><span>For at least (seconds)</span><input name="for_s" type="number" min="0" step="any" defaultValue={String(first.for_s ?? 60)} /></label>
          <label class="field"><span>With at least so many calls</span><input name="min_calls" type="number" min="0" step="1" defaultValue={String(first.min_calls ?? 0)} /></label>
          <label class="field"><span>One alert for each</span><select name="by"><option value="">(all together)</option>{DIMENSIONS.map((one) => <option key={one} value={one} selected={one === first.by}>{one}</option>)}</select></label>
          <label class="field"><span>Severity</span><select name="severity">{SEVERITIES.map((one) => <option key={one} value={one} selected={one === (first.severity ?? "warning")}>{one}</option>)}</select></label>
          <label class="field"><span>Run-book</span><input name="runbook" maxLength={1000} defaultValue={first.runbook ?? ""} autocomplete="off" placeholder="What to do, or an address" /></label>
          {DIMENSIONS.filter((one) => first.only?.[one] !== undefined).map((one) => <label key={one} class="field"><span>Only {one}</span><input name={`only-${one}`} defaultValue={first.only?.[one]} autocomplete="off" /></label>)}
          {(receivers.data?.data.length ?? 0) > 0 && (
            <fieldset class="field tell"><legend>Tell (none ticked: the usual ones)</legend>
              {receivers.data?.data.map((row) => <label key={row.name} class="row"><input type="checkbox" name="receiver" value={row.name} defaultChecked={first.receivers?.includes(row.name) ?? false} /> {row.name}</label>)}
            </fieldset>
          )}
          {failure && <FailureNotice failure={failure} />}
          <p class="row end rule-end">
            <button type="button" class="button" disabled={isBusy || !mayChange} onClick={(event) => { const form = event.currentTarget.form; if (form?.reportValidity()) act(form, true); }}>Try it on the last week</button>
            <button type="submit" class="button primary" disabled={isBusy || !mayChange}>{name === undefined ? "Make the rule" : "Change the rule"}</button>
          </p>
        </form>
      </section>
      {tried && <RuleTried preview={tried.preview} settings={tried.settings} unit={isShare ? "share" : unit} />}
    </>
  );
}
