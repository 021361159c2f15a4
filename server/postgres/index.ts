export { openPostgres, type Postgres } from "./open.ts";
export { startEmbeddedPostgres, type EmbeddedPostgres } from "./embedded/embedded-postgres.ts";
export { lockDataDir, type DataDirLock } from "./data-dir-lock.ts";
export type { PoolSize } from "./database.ts";
export { withDatabase, withLogin, type DatabaseRole } from "./addresses.ts";
export { backupDatabase } from "./backup/backup.ts";
export { restoreDatabase } from "./backup/restore.ts";
export type { BackupSummary } from "./backup/format.ts";
