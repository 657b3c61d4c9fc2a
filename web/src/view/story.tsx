// Knows how a whole story is shown: turn by turn, and the questions that wait at its end.

import type { Story, Turn } from "../story/model.js";
import { Chunks } from "./chunks.js";
import { Doing, NO_DEEDS } from "./context.js";
import type { Deeds } from "./contract.js";
import { memo } from "./memo.js";
import { Questions } from "./question/questions.js";
import { TurnView } from "./turn.js";
import "./style/index.css";

interface Props {
  story: Story;
  /** Of the story: it is drawn again when this has risen. */
  version: number;
  /** What its reader can do: the same object every time. */
  deeds?: Deeds;
}

export const StoryView = memo<Props>(function StoryView({ story, version, deeds = NO_DEEDS }) {
  return (
    <Doing.Provider value={deeds}>
      <div class={`lw lw-story${story.running ? " lw-busy" : ""}`}>
        <Chunks things={story.turns} draw={drawTurn} mark={story.turns.length - 1} />
        <Questions questions={story.questions} version={version} />
      </div>
    </Doing.Provider>
  );
});

function drawTurn(turn: Turn, last: boolean) {
  return <TurnView key={turn.key} turn={turn} version={turn.version} last={last} />;
}
