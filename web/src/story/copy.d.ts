// Knows what `?copy` behind a file's name means: the same code once more, in the chunk that asks for it.

declare module "*/client.ts?copy" {
  type Client = typeof import("../../client/src/client.js");
  export type Digits = import("../../client/src/client.js").Digits;
  export const Digits: Client["Digits"];
  export const isDigits: Client["isDigits"];
  export const isExact: Client["isExact"];
  export const parse: Client["parse"];
}
