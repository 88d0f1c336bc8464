import { readFileSync } from "node:fs";
import { defineConfig } from "vite";

// The plain runtime and the one for browsers without relaxed SIMD; LiteRT.js picks one.
const RUNTIMES = ["litert_wasm_internal", "litert_wasm_compat_internal"];
const PACKAGES = ["@litertjs/core", "@litertjs/wasm-utils"];

/** Lays the LiteRT runtime and its licence beside the page, so that it asks nobody else for them. */
function vendored() {
  const read = (path) => readFileSync(new URL(path, import.meta.url));
  return {
    name: "vendored",
    generateBundle() {
      for (const runtime of RUNTIMES) {
        for (const suffix of ["js", "wasm"]) {
          const file = `${runtime}.${suffix}`;
          const source = read(`node_modules/@litertjs/core/wasm/${file}`);
          this.emitFile({ type: "asset", fileName: `wasm/${file}`, source });
        }
      }
      const rows = PACKAGES.map((name) => {
        const { version, license, repository } = JSON.parse(
          read(`node_modules/${name}/package.json`).toString(),
        );
        if (license !== "Apache-2.0") throw new Error(`${name}: review its licence, ${license}`);
        return `${name} ${version}, ${license}, ${repository?.url ?? ""}`;
      });
      const text = [
        "This page contains these packages, unchanged but for bundling:",
        "",
        ...rows,
        "",
        "All of them, and the page itself, are under this licence:",
        "",
        read("../LICENSE").toString(),
      ].join("\n");
      this.emitFile({ type: "asset", fileName: "licences.txt", source: text });
    },
  };
}

export default defineConfig({
  base: "./", // works under any sub-path
  plugins: [vendored()],
  build: { outDir: "../mim_tf/app_files", emptyOutDir: true, target: "es2022" },
  // LiteRT.js loads its runtime by importScripts, which a module worker lacks.
  worker: { format: "iife" },
});
