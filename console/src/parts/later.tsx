// A view whose code is fetched when it is first opened, so that the first screen stays light.
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";

/** Wraps a view: `later(() => import("./views/x.tsx").then((m) => m.X))`. */
export function later<P extends object>(load: () => Promise<ComponentType<P>>): ComponentType<P> {
  let Found: ComponentType<P> | null = null;
  return function Later(props: P) {
    const [isFailed, setFailed] = useState(false);
    const [, redraw] = useState(0);
    useEffect(() => {
      if (Found) return;
      let isHere = true;
      load().then(
        (component) => {
          Found = component;
          if (isHere) redraw((count) => count + 1);
        },
        () => {
          if (isHere) setFailed(true);
        },
      );
      return () => {
        isHere = false;
      };
    }, []);
    if (Found) return <Found {...props} />;
    // After an upgrade the old page asks for files that are gone: loading it again brings the new ones.
    if (isFailed) return <p class="alone quiet">This part of the page could not be fetched. <a href={window.location.href}>Load the page again.</a></p>;
    return <p class="alone quiet" aria-busy="true">Opening…</p>;
  };
}
