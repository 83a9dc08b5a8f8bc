import { defineConfig } from "vite";

// The JSX transform is esbuild's own: a plugin would only add fast refresh, and `velvetrope demo` serves the built page.
export default defineConfig({
  esbuild: { jsx: "automatic" },
  build: { target: "es2022", sourcemap: false, chunkSizeWarningLimit: 700 },
});
