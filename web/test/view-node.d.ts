// Knows what else of Node the tests of what is drawn need.

declare module "node:crypto" {
  export function createHash(name: string): { update(text: string): { digest(form: "base64"): string } };
}
