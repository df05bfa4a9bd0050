// The questions about keys: make one, see it once, replace it, end it.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { type ApiFailure, ask, asFailure } from "../wire/client.ts";
import type { KeyRow, NewKey, Role } from "../wire/shapes.ts";
import type { Limits, Priority } from "../wire/traffic-shapes.ts";
import { CopyButton } from "../parts/copy.tsx";
import { Dialog } from "../parts/dialog.tsx";
import { FailureNotice } from "../parts/notice.tsx";

const ROLES: { role: Role; means: string }[] = [
  { role: "member", means: "calls models and reads" },
  { role: "viewer", means: "reads only" },
  { role: "admin", means: "also manages keys" },
];
const DAY_MS = 86_400_000;
const LIVES = [
  { days: 0, word: "never" },
  { days: 7, word: "in 7 days" },
  { days: 30, word: "in 30 days" },
  { days: 90, word: "in 90 days" },
  { days: 365, word: "in a year" },
];
const GRACES = [
  { seconds: 0, word: "at once" },
  { seconds: 300, word: "after 5 minutes" },
  { seconds: 3600, word: "after an hour" },
  { seconds: 86_400, word: "after a day" },
];

function names(text: FormDataEntryValue | null): string[] | null {
  const found = String(text ?? "").split(/[\s,]+/).filter(Boolean);
  return found.length > 0 ? found : null;
}

/** A form in a dialog that posts and reports; `act` does the asking. */
function Asking<T>({ title, verb, isDanger = false, act, onDone, onClose, children }: { title: string; verb: string; isDanger?: boolean; act: (form: FormData) => Promise<T>; onDone: (done: T) => void; onClose: () => void; children: ComponentChildren }) {
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<ApiFailure | null>(null);
  const submit = (event: SubmitEvent): void => {
    event.preventDefault();
    setBusy(true);
    act(new FormData(event.currentTarget as HTMLFormElement)).then(onDone, (thrown: unknown) => {
      setFailure(asFailure(thrown));
      setBusy(false);
    });
  };
  return (
    <Dialog title={title} onClose={onClose}>
      <form class="form" onSubmit={submit}>
        {children}
        {failure && <FailureNotice failure={failure} />}
        <p class="row end">
          <button type="button" class="button" onClick={onClose}>Cancel</button>
          <button type="submit" class={`button ${isDanger ? "danger" : "primary"}`} disabled={isBusy}>{verb}</button>
        </p>
      </form>
    </Dialog>
  );
}

const LIMITS: { name: keyof Limits; word: string; step: string }[] = [
  { name: "requests_per_minute", word: "Calls a minute", step: "1" },
  { name: "tokens_per_minute", word: "Tokens a minute", step: "1" },
  { name: "concurrency", word: "Calls at once", step: "1" },
  { name: "budget_day_usd", word: "US dollars a day", step: "any" },
  { name: "budget_month_usd", word: "US dollars a month", step: "any" },
];
const PRIORITIES: Priority[] = ["high", "normal", "low"];

/** The limits that a form says; an empty field is no limit. */
function limitsOf(form: FormData): Record<string, number | null> {
  return Object.fromEntries(LIMITS.map(({ name }) => [name, form.get(name) ? Number(form.get(name)) : null]));
}

function LimitFields({ limits, priority }: { limits?: Limits; priority: Priority }) {
  return (
    <div class="limit-fields">
      {LIMITS.map(({ name, word, step }) => (
        <label key={name} class="field"><span>{word}</span><input name={name} type="number" min={step === "1" ? 1 : 0} step={step} inputMode="decimal" placeholder="no limit" defaultValue={limits?.[name]?.toString() ?? ""} /></label>
      ))}
      <label class="field"><span>Priority</span><select name="priority" defaultValue={priority}>{PRIORITIES.map((one) => <option key={one} value={one} selected={one === priority}>{one}</option>)}</select></label>
    </div>
  );
}

export function ChangeLimits({ row, onDone, onClose }: { row: KeyRow; onDone: () => void; onClose: () => void }) {
  const change = (form: FormData): Promise<unknown> =>
    ask<unknown>(`/api/v1/keys/${encodeURIComponent(row.id)}`, { method: "PATCH", body: { limits: limitsOf(form), priority: form.get("priority") } });
  return (
    <Asking title={`Limits of ${row.name}`} verb="Change the limits" act={change} onDone={onDone} onClose={onClose}>
      <p class="quiet">Gateways obey within a second. An empty field is no limit.</p>
      <LimitFields limits={row.limits} priority={row.priority} />
    </Asking>
  );
}

export function CreateKey({ mayMakeAdmin, onMade, onClose }: { mayMakeAdmin: boolean; onMade: (made: NewKey) => void; onClose: () => void }) {
  const create = (form: FormData): Promise<NewKey> => {
    const days = Number(form.get("days"));
    return ask<NewKey>("/api/v1/keys", {
      method: "POST",
      body: {
        name: String(form.get("name")).trim(), role: form.get("role"), team: String(form.get("team")).trim() || null, models: names(form.get("models")),
        expires_at_ms: days > 0 ? Date.now() + days * DAY_MS : null, record: form.get("content") === "none" ? { content: "none" } : null,
        limits: limitsOf(form), priority: form.get("priority"),
      },
    });
  };
  return (
    <Asking title="New key" verb="Make the key" act={create} onDone={onMade} onClose={onClose}>
      <label class="field"><span>Name</span><input name="name" required maxLength={80} autocomplete="off" autofocus placeholder="checkout service" /></label>
      <label class="field">
        <span>Role</span>
        <select name="role">
          {ROLES.filter(({ role }) => role !== "admin" || mayMakeAdmin).map(({ role, means }) => <option key={role} value={role}>{role}: {means}</option>)}
        </select>
      </label>
      <label class="field"><span>Team <small>(optional)</small></span><input name="team" maxLength={80} autocomplete="off" /></label>
      <label class="field"><span>Models it may use <small>(empty: all)</small></span><input name="models" autocomplete="off" placeholder="smollm2-135m-instruct" /></label>
      <div class="two">
        <label class="field"><span>Expires</span><select name="days">{LIVES.map(({ days, word }) => <option key={days} value={String(days)}>{word}</option>)}</select></label>
        <label class="field"><span>Words of its calls</span><select name="content"><option value="full">recorded, sealed</option><option value="none">not recorded</option></select></label>
      </div>
      <details class="limit-details">
        <summary>Limits</summary>
        <LimitFields priority="normal" />
      </details>
    </Asking>
  );
}

export function RotateKey({ row, onMade, onClose }: { row: KeyRow; onMade: (made: NewKey) => void; onClose: () => void }) {
  const rotate = (form: FormData): Promise<NewKey> => ask<NewKey>(`/api/v1/keys/${encodeURIComponent(row.id)}/rotate`, { method: "POST", body: { grace_s: Number(form.get("grace")) } });
  return (
    <Asking title={`Rotate ${row.name}`} verb="Make its successor" act={rotate} onDone={onMade} onClose={onClose}>
      <p>A new key with the same rights is made and shown once.</p>
      <label class="field"><span>The old key stops</span><select name="grace">{GRACES.map(({ seconds, word }) => <option key={seconds} value={String(seconds)}>{word}</option>)}</select></label>
    </Asking>
  );
}

export function RevokeKey({ row, onDone, onClose }: { row: KeyRow; onDone: () => void; onClose: () => void }) {
  const revoke = (): Promise<unknown> => ask<unknown>(`/api/v1/keys/${encodeURIComponent(row.id)}/revoke`, { method: "POST", body: {} });
  return (
    <Asking title={`Revoke ${row.name}`} verb="Revoke" isDanger act={revoke} onDone={onDone} onClose={onClose}>
      <p>Programs that use <b>{row.name}</b> (<span class="mono">{row.prefix}…</span>) are refused within a second. This cannot be undone.</p>
    </Asking>
  );
}

export function ShownOnce({ made, onClose }: { made: NewKey; onClose: () => void }) {
  return (
    <Dialog title={`The key ${made.name}`} onClose={onClose}>
      <p>Copy it now: only its digest is kept, so it cannot be shown again.</p>
      <p class="key-once">
        <span class="mono" data-testid="new-key">{made.key}</span>
        <CopyButton text={made.key} what="the key" label="Copy" />
      </p>
      <p class="row end"><button type="button" class="button primary" onClick={onClose}>I have it</button></p>
    </Dialog>
  );
}
