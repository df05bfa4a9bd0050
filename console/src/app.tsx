// The page as a whole: who is here, which page, what the address says.
// Refuses to know what a page shows. Invariant: without a session nothing but the sign-in screen is asked for.
import { useEffect, useMemo, useState } from "preact/hooks";
import { followLink, openView, useAddress } from "./place/address.ts";
import { type KeyMap, useKeys } from "./place/keyboard.ts";
import { useTheme } from "./place/theme.ts";
import { windowOf } from "./say/units.ts";
import { type ApiFailure, ask, asFailure, onSignedOut } from "./wire/client.ts";
import { usePolled } from "./wire/polling.ts";
import type { Overview, Session } from "./wire/shapes.ts";
import { openTail } from "./wire/tail.ts";
import { pageOf, PAGES } from "./pages.tsx";
import { CallDrawer } from "./views/call-drawer.tsx";
import { Header } from "./views/header.tsx";
import { Help } from "./views/help.tsx";
import { SignIn } from "./views/sign-in.tsx";
import { StatusStrip } from "./views/status-strip.tsx";
import { FailureNotice } from "./parts/notice.tsx";

const RETRY_MS = 2000;

/** How often the numbers are asked for: short windows move faster. */
function everyMs(window_s: number): number {
  return window_s <= 900 ? 2000 : window_s <= 3600 ? 5000 : 10_000;
}

export function App() {
  const [session, setSession] = useState<Session | null | undefined>(undefined);
  const [failure, setFailure] = useState<ApiFailure | null>(null);

  useEffect(() => onSignedOut(() => setSession(null)), []);
  useEffect(() => {
    if (session !== undefined) return;
    let timer = 0;
    const look = (): void => {
      ask<Session>("/api/v1/session", { is401Expected: true }).then(
        (found) => {
          setFailure(null);
          setSession(found);
        },
        (thrown: unknown) => {
          const failed = asFailure(thrown);
          if (failed?.status === 401) setSession(null);
          else {
            setFailure(failed);
            timer = window.setTimeout(look, RETRY_MS);
          }
        },
      );
    };
    look();
    return () => window.clearTimeout(timer);
  }, [session]);

  if (session === null) return <SignIn onSignedIn={setSession} />;
  if (session === undefined) {
    return <main class="alone">{failure ? <FailureNotice failure={failure}>Trying again every two seconds.</FailureNotice> : <p class="quiet">Looking…</p>}</main>;
  }
  return <Frame session={session} onSignedOut={() => setSession(null)} />;
}

/** `g` and a page's key open it, everywhere. */
function pageKeys(): KeyMap {
  return Object.fromEntries(PAGES.map((page) => [`g ${page.key}`, () => openView(page.view)]));
}

function Frame({ session, onSignedOut: signedOut }: { session: Session; onSignedOut: () => void }) {
  const { view, rest, query } = useAddress();
  const [isHelpOpen, setHelpOpen] = useState(false);
  const [, nextTheme] = useTheme();
  const window_s = windowOf(query.get("window"));
  const overview = usePolled<Overview>(`/api/v1/overview?window_s=${window_s}&points=60`, everyMs(window_s));
  const tail = useMemo(() => openTail("/api/v1/requests/tail"), []);
  useEffect(() => () => tail.close(), [tail]);
  const call = query.get("call");
  const page = pageOf(view);

  useKeys({ ...pageKeys(), "?": () => setHelpOpen(true), t: nextTheme });
  useEffect(() => {
    document.title = page && view !== "overview" ? `${page.word} · Pilothouse` : "Pilothouse";
  }, [view]);

  const onSignOut = (): void => {
    ask<void>("/api/v1/session", { method: "DELETE", is401Expected: true }).then(signedOut, signedOut);
  };

  return (
    <div class="frame" onClick={followLink}>
      <a class="skip" href="#main">Skip to the content</a>
      <Header view={view} session={session} onHelp={() => setHelpOpen(true)} onSignOut={onSignOut} />
      <StatusStrip overview={overview} tail={tail} view={view} window_s={window_s} />
      <main id="main" tabIndex={-1} class={`main view-${page ? view : "missing"}`}>
        {page ? (
          <page.show key={view} session={session} query={query} rest={rest} window_s={window_s} tail={tail} overview={overview} />
        ) : (
          <p class="alone quiet">
            There is no such page. <a href="/" data-inside>Go to the overview.</a>
          </p>
        )}
      </main>
      {call !== null && <CallDrawer key={call} id={call} />}
      {isHelpOpen && <Help onClose={() => setHelpOpen(false)} />}
    </div>
  );
}
