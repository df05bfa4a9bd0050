// The questions about alerts: take care of one, keep some quiet.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { AlertRow, SilenceRow } from "../wire/alert-shapes.ts";
import { type ApiFailure, ask, asFailure } from "../wire/client.ts";
import { Dialog } from "../parts/dialog.tsx";
import { FailureNotice } from "../parts/notice.tsx";

const SPANS = [
  { seconds: 1800, word: "30 minutes" },
  { seconds: 3600, word: "an hour" },
  { seconds: 4 * 3600, word: "4 hours" },
  { seconds: 24 * 3600, word: "a day" },
  { seconds: 7 * 24 * 3600, word: "a week" },
];

function Asking({ title, verb, act, onDone, onClose, children }: { title: string; verb: string; act: (form: FormData) => Promise<unknown>; onDone: () => void; onClose: () => void; children: ComponentChildren }) {
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
          <button type="submit" class="button primary" disabled={isBusy}>{verb}</button>
        </p>
      </form>
    </Dialog>
  );
}

export function Acknowledge({ alert, onDone, onClose }: { alert: AlertRow; onDone: () => void; onClose: () => void }) {
  const act = (form: FormData): Promise<unknown> => ask(`/api/v1/alerts/${alert.id}/acknowledge`, { method: "POST", body: { note: String(form.get("note") ?? "").trim() || null } });
  return (
    <Asking title="Take care of it" verb="Acknowledge" act={act} onDone={onDone} onClose={onClose}>
      <p>{alert.summary}</p>
      <p class="quiet">Reminders stop, and everybody sees that you look at it.</p>
      <label class="field"><span>Note</span><input name="note" maxLength={1000} autoFocus autocomplete="off" /></label>
    </Asking>
  );
}

export function Silence({ labels, onDone, onClose }: { labels: Record<string, string>; onDone: () => void; onClose: () => void }) {
  const names = Object.keys(labels).filter((name) => name !== "severity");
  const act = (form: FormData): Promise<unknown> => {
    const matchers = Object.fromEntries(names.map((name) => [name, String(form.get(`label-${name}`) ?? "").trim()]).filter(([, value]) => value !== ""));
    return ask<SilenceRow>("/api/v1/silences", { method: "POST", body: { matchers, reason: String(form.get("reason")), duration_s: Number(form.get("duration_s")) } });
  };
  return (
    <Asking title="Keep it quiet" verb="Silence" act={act} onDone={onDone} onClose={onClose}>
      <p class="quiet">Alerts with all of these labels are told to nobody for a time; they are still shown here. Empty a field to leave its label out; a * at the end stands for anything.</p>
      {names.map((name) => <label key={name} class="field"><span>{name}</span><input name={`label-${name}`} defaultValue={labels[name]} autocomplete="off" /></label>)}
      <label class="field"><span>For</span><select name="duration_s">{SPANS.map((one) => <option key={one.seconds} value={one.seconds} selected={one.seconds === 3600}>{one.word}</option>)}</select></label>
      <label class="field"><span>Reason</span><input name="reason" required maxLength={1000} autoFocus autocomplete="off" /></label>
    </Asking>
  );
}
