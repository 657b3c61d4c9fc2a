// Integers that no number of JavaScript's can hold: to the last digit where the engine can, said to be rounded elsewhere.

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Told } from "../client/src/client.js";
import * as client from "../client/src/client.js";
import { fieldOf, type Kind } from "../src/view/question/schema.js";
import { read } from "../src/view/question/reading.js";
import { parse } from "../src/story/exact.js";
import { Fold } from "../src/renderer.js";
import { tableOf } from "../src/view/table.js";
import { knowSources } from "./exact_json.js";
import { called, Stage, turn } from "./view_stage.js";

const ID = "1234567890123456789";
const ACTION = `{"name": "pay", "args": {"account": ${ID}, "eur": 7, "rows": [{"id": -${ID}}], "half": 1e300}}`;
const ASKED = `[{"type": "turn_start", "turn_id": "t"},
  {"type": "interrupt", "id": "q1", "kind": "approval_batched", "actions": [${ACTION}]},
  {"type": "turn_end", "outcome": "interrupted", "interrupts": ["q1"]}]`;

function staged() {
  const answer = vi.fn<(answers: Record<string, unknown>) => Promise<void>>(async () => {});
  const events = parse(ASKED) as { type: string }[];
  return { answer, stage: new Stage(events, { answer }) };
}

const field = (kind: Kind) =>
  fieldOf("n", undefined, kind === "json" ? { type: "array" } : { type: kind }, { root: {}, required: true });

describe("where the engine tells how a number was written", () => {
  let end: () => void;
  beforeEach(() => void (end = knowSources()));
  afterEach(() => end());

  test.each([client.parse, parse])("only integers that do not fit a number are digits", (parse) => {
    const text = `{"id":${ID},"minus":[-${ID}],"fits":9007199254740991,"not":9007199254740993,"float":1.2345678901234567,"big":1e300,"words":"${ID}"}`;
    const value = parse(text) as Record<string, unknown>;
    expect([value["id"], value["not"]].map(String)).toEqual([ID, "9007199254740993"]);
    expect([value["fits"], value["float"], value["big"], value["words"]]).toEqual([
      9007199254740991, 1.2345678901234567, 1e300, ID,
    ]);
    expect(client.isDigits(value["id"])).toBe(true);
    expect(client.isDigits({ digits: ID, toJSON: null })).toBe(false);
    expect(JSON.stringify(value)).toContain(`{"id":${ID},"minus":[-${ID}],"fits":9007199254740991,"not":9007199254740993`);
  });

  test("a person allows the digits that will be used, and changes nothing but what they change (F-C2)", async () => {
    const { stage, answer } = staged();
    expect(stage.group("pay").textContent).toContain(`account${ID}`);
    expect(stage.group("pay").textContent).toContain(`-${ID}`);
    await stage.press("Edit");
    expect(stage.field("account").value).toBe(ID);
    await stage.write("eur", "8");
    await stage.press("Approve with changes");
    expect(JSON.stringify(answer.mock.calls[0]![0])).toBe(
      `{"q1":[{"type":"edit","edited_action":{"name":"pay","args":{"account":${ID},"eur":8,"rows":[{"id":-${ID}}],"half":1e+300}}}]}`,
    );
  });

  test.each<[Kind, string, string]>([
    ["integer", ` +00${ID}`, ID],
    ["number", `-${ID}`, `-${ID}`],
    ["json", `[${ID}]`, `[${ID}]`],
  ])("what is typed into a field of the kind %s is sent to the last digit", (kind, text, sent) => {
    expect(JSON.stringify(read(field(kind), text))).toBe(`{"value":${sent}}`);
  });

  test("a number in a form that has no digits of its own is not made up", () => {
    expect(read(field("number"), "1e20")).toEqual({ error: "too large to be sent exactly" });
  });

  test("a call, its result and a table show the digits", async () => {
    const result = `[{"id": ${ID}}, {"id": 2}]`;
    const stage = new Stage(
      turn([...called(parse(`{"id": ${ID}}`)), { type: "tool_result", id: "c1", content: result }]),
    );
    await stage.unfold();
    expect(stage.text(".lw-named")).toBe(`id${ID}`);
    expect(tableOf(parse(result))).not.toBeNull();
    expect(stage.all("td").map(({ textContent }) => textContent)).toEqual([ID, "2"]);
    expect(stage.all("td.lw-right")).toHaveLength(2);
  });

  test("a story takes them without a fault, and knows them again", () => {
    const fold = new Fold();
    const tell = () => (parse(ASKED) as Told[]).forEach((event) => fold.take(event));
    tell();
    tell();
    expect(fold.story.questions).toHaveLength(1);
    expect(fold.story.questions[0]!.asked).toBe(2);
  });
});

describe("where it does not", () => {
  test("digits of one's own are written as text", () => {
    expect(JSON.stringify(new client.Digits(ID))).toBe(`"${ID}"`);
  });

  test("what was rounded is said to be, and cannot be sent back", () => {
    const { stage } = staged();
    expect(stage.buttons(stage.group("pay"))).toEqual(["Approve", "Reject", "Respond"]);
    expect(stage.group("pay").textContent).toContain("This browser rounds numbers as large as those here");
  });

  test.each<[Kind, string]>([
    ["integer", ID],
    ["json", `{"id": [${ID}]}`],
  ])("what is typed into a field of the kind %s must not be rounded", (kind, text) => {
    expect(read(field(kind), text)).toEqual({ error: "too large to be sent exactly" });
  });
});
