// The smallest marks: a dot with a word, a change with an arrow, a label with a value, a key to press.
import type { ComponentChildren } from "preact";
import type { Change } from "../say/units.ts";
import type { Tone } from "../say/words.ts";

export function Dot({ tone, isPulsing = false }: { tone: Tone; isPulsing?: boolean }) {
  return <span class={`dot tone-${tone}${isPulsing ? " is-pulsing" : ""}`} aria-hidden="true" />;
}

export function Pill({ tone, children, title }: { tone: Tone; children: ComponentChildren; title?: string | undefined }) {
  return (
    <span class={`pill tone-${tone}`} title={title}>
      <Dot tone={tone} />
      {children}
    </span>
  );
}

const ARROWS = { up: "↑", down: "↓", same: "=" } as const;

/** The change to the window before; `better` says which direction is good news. */
export function ChangeMark({ change, better, window }: { change: Change | null; better: "up" | "down" | null; window: string }) {
  if (!change) return null;
  const tone: Tone = change.direction === "same" || better === null ? "quiet" : change.direction === better ? "good" : "warn";
  const spoken = { up: "up", down: "down", same: "" }[change.direction];
  return (
    <span class={`change tone-${tone}`} title={`Compared with the ${window} before`}>
      {change.direction === "same" ? "" : <span aria-hidden="true">{ARROWS[change.direction]}</span>}
      <span class="offscreen">{spoken} </span>
      {change.text}
    </span>
  );
}

export function Fact({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div class="fact">
      <dt>{label}</dt>
      <dd>{children}</dd>
    </div>
  );
}

export function Kbd({ children }: { children: ComponentChildren }) {
  return <kbd class="kbd">{children}</kbd>;
}
