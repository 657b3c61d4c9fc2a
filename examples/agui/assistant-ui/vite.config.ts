import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The page and its agent are one origin: what begins with /agui goes to `langwire serve`.
export default defineConfig({
  plugins: [react()],
  server: { host: "127.0.0.1", proxy: { "/agui": { target: "http://127.0.0.1:8642", changeOrigin: false } } },
});
