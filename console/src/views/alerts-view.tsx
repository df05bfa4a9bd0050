// The page of alerts: what is open, kept quiet and past, and the rules and receivers behind it.
// Refuses to know how alerts are judged. Invariant: what is shown is in the address.
import { hrefOf } from "../place/address.ts";
import type { Place } from "../pages.tsx";
import { AlertDetailView } from "./alerts-detail.tsx";
import { OpenAlertsView, PastAlertsView } from "./alerts-list.tsx";
import { ReceiversView } from "./alerts-receivers.tsx";
import { RuleForm } from "./alerts-rule-form.tsx";
import { RulesView } from "./alerts-rules.tsx";
import { SilencesView } from "./alerts-silences.tsx";
import "../styles/alerts.css";

const PARTS = [
  { part: "", word: "Open" },
  { part: "silences", word: "Silences" },
  { part: "past", word: "Past" },
  { part: "rules", word: "Rules" },
  { part: "receivers", word: "Receivers" },
] as const;

export function AlertsView({ session, rest, query }: Place) {
  const [part = "", name] = rest;
  if (part.startsWith("alt_")) return <AlertDetailView key={part} id={part} session={session} />;
  if (part === "new") return <RuleForm key={query.toString()} session={session} query={query} />;
  if (part === "rules" && name !== undefined) return <RuleForm key={name} session={session} query={query} name={name} />;
  return (
    <section class="panel alerts" aria-labelledby="alerts-title">
      <header class="panel-head">
        <h1 id="alerts-title">Alerts</h1>
        <nav class="parts" aria-label="Parts of alerts">
          {PARTS.map((one) => (
            <a key={one.part} class="part" href={hrefOf("alerts", {}, one.part ? [one.part] : [])} data-inside aria-current={one.part === part ? "page" : undefined}>{one.word}</a>
          ))}
        </nav>
      </header>
      {part === "" && <OpenAlertsView session={session} />}
      {part === "silences" && <SilencesView session={session} />}
      {part === "past" && <PastAlertsView />}
      {part === "rules" && <RulesView session={session} />}
      {part === "receivers" && <ReceiversView session={session} />}
      {!PARTS.some((one) => one.part === part) && <p class="empty">There is no such part.</p>}
    </section>
  );
}
