import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Servers on loopback and child processes: two at a time keep a 2-core machine responsive.
    maxWorkers: 2,
  },
});
