import { fileURLToPath } from "node:url";
import tailwindcss from "@tailwindcss/vite";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Sonner adds a `<style>` element by script, which `style-src 'self'` refuses; its stylesheet is imported by `index.css` instead. */
const sonnerWithoutStyleElement: Plugin = {
  name: "sonner-without-style-element",
  transform: {
    filter: { id: /node_modules[\\/]sonner[\\/]/ },
    handler: (code) => code.replace(/^__insertCSS\(.*$/gm, ""),
  },
};

export default defineConfig({
  root: here("."),
  plugins: [react(), tailwindcss(), sonnerWithoutStyleElement],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2023",
    // `data:` is not among the sources that the content security policy allows.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 700,
    rolldownOptions: {
      input: { index: here("index.html"), theme: here("app/early-theme.ts") },
      output: {
        entryFileNames: (chunk) => (chunk.name === "theme" ? "theme.js" : "assets/[name]-[hash].js"),
        // What nearly every page needs comes in a few files instead of fifty.
        codeSplitting: {
          groups: [
            { name: "react", test: /node_modules[\\/](react|react-dom|scheduler)[\\/]/, priority: 3 },
            { name: "icons", test: /node_modules[\\/]lucide-react[\\/]/, priority: 2 },
            { name: "controls", test: /node_modules[\\/](@base-ui|@floating-ui)[\\/]/, priority: 1 },
          ],
        },
      },
    },
  },
  server: { port: 4601, proxy: { "/api": "http://127.0.0.1:4600" } },
});
