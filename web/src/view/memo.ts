// Knows when something is drawn again: when one of its props is another one. Stories are changed in place, so whoever
// draws a part of one hands its `version` down beside it.

import { Component, h, type ComponentChildren, type ComponentType } from "preact";

/** The component that `draw` makes, drawn again only for other props. */
export function memo<Props extends object>(draw: (props: Props) => ComponentChildren): ComponentType<Props> {
  return class extends Component<Props> {
    override shouldComponentUpdate(next: Readonly<Props>): boolean {
      return differ(this.props, next);
    }

    override render(): ComponentChildren {
      return h(draw, this.props);
    }
  };
}

/** Whether one of the props is another one. All uses of a component name the same props. */
function differ<Props extends object>(before: Readonly<Props>, now: Readonly<Props>): boolean {
  for (const name in now) if (!Object.is(before[name], now[name])) return true;
  return false;
}
