// The few drawings of the page, as strokes in the current colour. Decorative: hidden from assistive technology.

const STROKES = {
  overview: "M3 12l4-5 4 3 6-7M3 17h14",
  requests: "M3 5h14M3 10h14M3 15h9",
  traffic: "M3 10h4M7 10l4-5h6M7 10l4 5h6M15 3l2 2-2 2M15 13l2 2-2 2",
  playground: "M3 4h14v9H9l-4 3v-3H3z",
  keys: "M12.5 3a4.5 4.5 0 1 1-4 6.6L3 15v2h3v-2h2v-2l1.7-1.7M13.7 6.3v.1",
  sun: "M10 6.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7zM10 1.5v2M10 16.5v2M1.5 10h2M16.5 10h2M4 4l1.4 1.4M14.6 14.6L16 16M4 16l1.4-1.4M14.6 5.4L16 4",
  moon: "M16 12.2A6.8 6.8 0 0 1 7.8 4a6.8 6.8 0 1 0 8.2 8.2z",
  system: "M2.5 4h15v9.5h-15zM7 17h6M10 13.5V17",
  copy: "M7 7V3h10v10h-4M3 7h10v10H3z",
  done: "M4 10.5l4 4 8-9",
  close: "M5 5l10 10M15 5L5 15",
  pause: "M7 4v12M13 4v12",
  play: "M6 4l10 6-10 6z",
  stop: "M5 5h10v10H5z",
  send: "M3 10h13M11 5l5 5-5 5",
  up: "M10 16V5M5 10l5-5 5 5",
  down: "M10 4v11M5 10l5 5 5-5",
  search: "M9 3.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM13 13l4 4",
  warn: "M10 3l8 14H2zM10 8v4M10 14.4v.1",
  out: "M8 4H4v12h4M12 6l4 4-4 4M16 10H8",
  more: "M6 8l4 4 4-4",
  menu: "M3 6h14M3 10h14M3 14h14",
  alert: "M10 3a5 5 0 0 1 5 5v3l1.5 3h-13L5 11V8a5 5 0 0 1 5-5zM8.5 16.5h3",
  deploy: "M10 16V5M5.5 9.5L10 5l4.5 4.5M4 18h12",
  gear: "M10 7a3 3 0 1 1 0 6 3 3 0 0 1 0-6zM10 2v3M10 15v3M2 10h3M15 10h3M4.3 4.3l2.2 2.2M13.5 13.5l2.2 2.2M4.3 15.7l2.2-2.2M13.5 6.5l2.2-2.2",
  traces: "M3 5h9M6 10h8M9 15h8",
  conversations: "M3 4h10v7H7l-4 3zM13 8h4v9l-3-2.5H8V13",
  cost: "M10 2.5v15M14 6c-1-1.5-7-2-7.5 1S14 10 14 13s-6.5 3-8 .5",
  objectives: "M10 3a7 7 0 1 1 0 14 7 7 0 0 1 0-14zM10 6.8a3.2 3.2 0 1 1 0 6.4 3.2 3.2 0 0 1 0-6.4zM10 10v.1",
  measures: "M4 17V9M8 17V4M12 17v-6M16 17V7",
  code: "M7 5l-5 5 5 5M13 5l5 5-5 5",
  export: "M10 3v9M6 8.5l4 4 4-4M3 16.5h14",
  command: "M7 7h6v6H7zM7 7V5a2 2 0 1 0-2 2zM13 7h2a2 2 0 1 0-2-2zM13 13v2a2 2 0 1 0 2-2zM7 13H5a2 2 0 1 0 2 2z",
  open: "M8 4H4v12h12v-4M11 3h6v6M17 3l-8 8",
} as const;

export type IconName = keyof typeof STROKES;

export function Icon({ name, size = 16 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">
      <path d={STROKES[name]} />
    </svg>
  );
}

/** The mark of the house: a wheel. */
export function Wheel({ size = 22 }: { size?: number }) {
  return (
    <svg class="wheel" width={size} height={size} viewBox="0 0 32 32" fill="none" stroke="currentColor" stroke-width="2.4" stroke-linecap="round" aria-hidden="true" focusable="false">
      <circle cx="16" cy="16" r="8" />
      <path d="M16 3.5v25M3.5 16h25M7.2 7.2l17.6 17.6M24.8 7.2L7.2 24.8" />
      <circle class="hub" cx="16" cy="16" r="3" stroke="none" />
    </svg>
  );
}
