/** How stored values are named to the codec, which binds encrypted ones to their place. */
export const journalRowName = (runId: string, seq: number): string => `run_journal/${runId}/${seq}`;
export const runRowName = (runId: string, column: "input" | "output" | "error"): string => `runs/${runId}/${column}`;
export const approvalRowName = (id: string): string => `approvals/${id}`;
export const snapshotRowName = (runId: string, seq: number): string => `run_snapshots/${runId}/${seq}`;
export const cacheRowName = (key: string): string => `step_cache/${key}`;
export const inboxRowName = (id: string): string => `run_inbox/${id}`;
