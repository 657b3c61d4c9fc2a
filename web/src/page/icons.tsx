// Knows the page's few icons. They say nothing by themselves: whatever has one has a name.

import type { ComponentChildren, JSX } from "preact";

function icon(children: ComponentChildren): JSX.Element {
  return (
    <svg class="pg-icon" viewBox="0 0 20 20" aria-hidden="true">
      {children}
    </svg>
  );
}

export const Menu = () => icon(<path d="M3 5.5h14M3 10h14M3 14.5h14" />);
export const Clip = () => icon(<path d="m15.5 9-5.8 5.8a3.3 3.3 0 0 1-4.7-4.7L11.3 3.8a2.2 2.2 0 0 1 3.1 3.1l-6.3 6.3a1.1 1.1 0 0 1-1.5-1.5L12 6.2" />);
export const Pencil = () => icon(<path d="m4 16 .8-3.5 8.4-8.4a1.5 1.5 0 0 1 2.7 2.7L7.5 15.2z" />);
export const Bin = () => icon(<path d="M4 6h12M8 6V4h4v2m-6.5 0 .7 10h7.6l.7-10" />);
export const Cross = () => icon(<path d="m5.5 5.5 9 9m0-9-9 9" />);
export const Down = () => icon(<path d="M10 4v12m-5-5 5 5 5-5" />);
export const Plus = () => icon(<path d="M10 4v12M4 10h12" />);
export const Branch = () => icon(<path d="M4 4v9.5A2.5 2.5 0 0 0 6.5 16H9M4 8h5m3-2h4v4h-4zm0 8h4v4h-4z" />);
