// Builds what browsers load: the renderer and the client, which stand alone, and the page, which stands on both.
import { defineConfig } from "vitest/config";

export default defineConfig({
  build: {
    outDir: "../src/langwire/adapters/_shared/bundle",
    emptyOutDir: true,
    target: "es2022",
    modulePreload: false,
    cssCodeSplit: true,
    rolldownOptions: {
      input: { client: "client/src/client.ts", renderer: "src/renderer.ts", page: "src/page/page.tsx" },
      // What the page has in common with them it has of them.
      preserveEntrySignatures: "allow-extension",
      output: { entryFileNames: "[name].js", assetFileNames: "[name][extname]" },
    },
  },
  test: { environment: "jsdom", include: ["test/**/*.test.ts", "test/**/*.test.tsx"] },
});
