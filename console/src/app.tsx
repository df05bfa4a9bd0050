// The page as a whole: who is here, which page, what the address says.
// Refuses to know what a page shows. Invariant: without a session nothing but the sign-in screen is asked for.
import { useEffect, useMemo, useState } from "preact/hooks";
import { followLink, openView, useAddress } from "./place/address.ts";
import { type KeyMap, useControlKey, useKeys } from "./place/keyboard.ts";
import { useTheme } from "./place/theme.ts";
import { windowOf } from "./say/units.ts";
import { type ApiFailure, ask, asFailure, onSignedOut } from "./wire/client.ts";
import { useScreen } from "./wire/screen.ts";
import type { Session } from "./wire/shapes.ts";
import { openTail } from "./wire/tail.ts";
import { pageOf, PAGES } from "./pages.tsx";
import { CallDrawer } from "./views/call-drawer.tsx";
import { Header } from "./views/header.tsx";
import { Help } from "./views/help.tsx";
import { Palette } from "./views/palette.tsx";
import { SignIn } from "./views/sign-in.tsx";
import { StatusStrip } from "./views/status-strip.tsx";
import { FailureNotice } from "./parts/notice.tsx";

const RETRY_MS = 2000;

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
  const [isPaletteOpen, setPaletteOpen] = useState(false);
  const [, nextTheme] = useTheme();
  const window_s = windowOf(query.get("window"));
  const tail = useMemo(() => openTail("/api/v1/requests/tail"), []);
  const screen = useScreen(window_s, tail, view === "overview");
  useEffect(() => () => tail.close(), [tail]);
  const call = query.get("call");
  const page = pageOf(view);

  useKeys({ ...pageKeys(), "?": () => setHelpOpen(true), t: nextTheme });
  useControlKey("k", () => setPaletteOpen(true));
  useEffect(() => {
    document.title = page && view !== "overview" ? `${page.word} · Pilothouse` : "Pilothouse";
  }, [view]);

  const onSignOut = (): void => {
    ask<void>("/api/v1/session", { method: "DELETE", is401Expected: true }).then(signedOut, signedOut);
  };

  return (
    <div class="frame" onClick={followLink}>
      <a class="skip" href="#main">Skip to the content</a>
      <Header view={view} session={session} onHelp={() => setHelpOpen(true)} onPalette={() => setPaletteOpen(true)} onSignOut={onSignOut} />
      <StatusStrip screen={screen} tail={tail} hasWindow={page?.hasWindow ?? false} window_s={window_s} />
      <main id="main" tabIndex={-1} class={`main view-${page ? view : "missing"}`}>
        {page ? (
          <page.show key={view} session={session} query={query} rest={rest} window_s={window_s} tail={tail} screen={screen} />
        ) : (
          <p class="alone quiet">
            There is no such page. <a href="/" data-inside>Go to the overview.</a>
          </p>
        )}
      </main>
      {call !== null && <CallDrawer key={call} id={call} />}
      {isPaletteOpen && (
        <Palette screen={screen.data} session={session} onClose={() => setPaletteOpen(false)} onHelp={() => setHelpOpen(true)} onTheme={nextTheme} onSignOut={onSignOut} />
      )}
      {isHelpOpen && <Help onClose={() => setHelpOpen(false)} />}
    </div>
  );
}
