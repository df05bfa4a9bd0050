// Measures: custom metrics, availability by whose fault, how sure answers were, and what people said of them.
// Refuses to know how a number is made. Invariant: what is shown is in the address.
import type { Place } from "../pages.tsx";
import { hrefOf } from "../place/address.ts";
import { AvailabilityTable } from "./metrics-availability.tsx";
import { ConfidenceBars } from "./metrics-confidence.tsx";
import { CustomMetrics } from "./metrics-custom.tsx";
import { FeedbackTable } from "./metrics-feedback.tsx";
import "../styles/metrics.css";

const PARTS = [
  { part: "", word: "Custom" },
  { part: "availability", word: "Availability" },
  { part: "confidence", word: "Confidence" },
  { part: "feedback", word: "Feedback" },
] as const;

export function MetricsView({ rest, query }: Place) {
  const [part = "", name] = rest;
  const isCustom = part === "" || part === "custom";
  return (
    <div class="measures">
      <header class="panel panel-head measures-head">
        <h1>Measures</h1>
        <nav class="measure-parts" aria-label="Parts of measures">
          {PARTS.map((one) => (
            <a key={one.part} class="measure-part" href={hrefOf("measures", {}, one.part ? [one.part] : [])} data-inside aria-current={one.part === (isCustom ? "" : part) ? "page" : undefined}>{one.word}</a>
          ))}
        </nav>
      </header>
      {isCustom && <CustomMetrics chosen={name} />}
      {part === "availability" && <AvailabilityTable by={query.get("by") ?? "model"} />}
      {part === "confidence" && <ConfidenceBars />}
      {part === "feedback" && <FeedbackTable chosen={name} />}
      {!isCustom && !PARTS.some((one) => one.part === part) && <p class="empty">There is no such part.</p>}
    </div>
  );
}
