// Every story that the faces share, drawn: as it was looked at, and fit for readers who hear it.

import axe from "axe-core";
import { expect, test, vi } from "vitest";
import { STORIES } from "./fold_stories.js";
import { Stage, type Event } from "./view_stage.js";

/** What axe-core cannot see without a layout, or what is not a transcript's own. */
const RULES = { "color-contrast": { enabled: false }, region: { enabled: false } };

/** The document, an element a line. The frame's script is in its own file. */
function lines(home: Element): string {
  const shown = home.innerHTML.replace(/ srcdoc="[^"]*"/g, "").replace(/></g, ">\n<");
  return `${shown.replace(/=":r?\w+:?/g, '="id')}\n`;
}

test.each(STORIES)(
  "%s is drawn as it was looked at, without a fault for those who hear it",
  { timeout: 60_000 },
  async (name, events) => {
    const stage = new Stage(events as unknown as Event[], {
      answer: async () => {},
      goOn: async () => {},
      openTask: () => {},
    });
    await vi.waitFor(() => expect(stage.all(".lw-later")).toHaveLength(0), { timeout: 20_000 });
    await stage.unfold();
    await expect(lines(stage.home)).toMatchFileSnapshot(`../../tests/faces/golden/dom/${name}.html`);
    const { violations } = await axe.run(stage.home, { rules: RULES, resultTypes: ["violations"], iframes: false });
    const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    expect(serious.map(({ id, nodes }) => [id, nodes[0]?.html])).toEqual([]);
  },
);
