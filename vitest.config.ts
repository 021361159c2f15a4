import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const node = { environment: "node", restoreMocks: true, setupFiles: ["test/support/patient-waits.ts"] };
const database = { ...node, globalSetup: ["test/support/global-postgres.ts"], testTimeout: 60_000, hookTimeout: 60_000 };

/** One file after the other, with nothing beside them: faults and browsers are timed. */
const alone = (groupOrder: number) => ({ fileParallelism: false, sequence: { groupOrder } });

/**
 * Beside the source: `*.test.ts` needs nothing, `*.pg.test.ts` needs the PostgreSQL that `global-postgres.ts`
 * starts, `*.redis.test.ts` starts a redis-server.
 */
export default defineConfig({
  test: {
    // Half of a test's time is waiting, for processes and for time to pass: two files at once keep two cores busy.
    maxWorkers: 2,
    coverage: {
      provider: "v8",
      include: ["contract/**/*.ts", "engine/**/*.ts", "server/**/*.ts", "sdk/**/*.ts", "cli/**/*.ts", "web/**/*.{ts,tsx}"],
      exclude: ["**/*.test.{ts,tsx}", "web/dist/**", "web/vite.config.ts"],
      thresholds: { lines: 90 },
      reporter: ["text-summary", "json-summary"],
    },
    projects: [
      {
        test: {
          ...node,
          name: "unit",
          include: ["{contract,engine,server,sdk,cli,bin,docs,examples}/**/*.test.ts"],
          exclude: ["**/*.pg.test.ts", "**/*.redis.test.ts", "**/node_modules/**"],
        },
      },
      { plugins: [react()], test: { name: "web", environment: "happy-dom", testTimeout: 60_000, include: ["web/**/*.test.{ts,tsx}"] } },
      { test: { ...node, name: "architecture", include: ["test/*.test.ts"] } },
      {
        test: {
          ...database,
          name: "integration",
          include: ["server/**/*.{pg,redis}.test.ts", "test/{integration,conformance}/**/*.test.ts"],
        },
      },
      { test: { ...database, name: "faults", include: ["test/faults/**/*.test.ts"], testTimeout: 600_000, ...alone(1) } },
      { test: { ...database, name: "e2e", include: ["test/e2e/**/*.test.ts"], testTimeout: 300_000, ...alone(2) } },
    ],
  },
});
