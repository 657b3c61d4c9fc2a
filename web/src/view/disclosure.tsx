// Knows how something folds away: what is inside is drawn once it is open.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

interface Props {
  /** Whether it is open as long as the reader has not said otherwise. */
  open: boolean;
  summary: ComponentChildren;
  kind: string;
  children: () => ComponentChildren;
}

export function Disclosure({ open, summary, kind, children }: Props) {
  const [chosen, choose] = useState<boolean | null>(null);
  const shown = chosen ?? open;
  return (
    <details
      class={`lw-fold ${kind}`}
      open={shown}
      onToggle={(event) => {
        // It is told, too, when we have opened or closed it ourselves.
        const now = event.currentTarget.open;
        if (now !== shown) choose(now);
      }}
    >
      <summary>{summary}</summary>
      {shown && <div class="lw-inside">{children()}</div>}
    </details>
  );
}
