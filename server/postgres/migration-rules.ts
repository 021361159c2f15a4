import { GLOBAL_TABLES } from "./global-tables.ts";
import { NO_TRANSACTION, type Migration } from "./migrate.ts";
import { readStatements, splitList, type Statement } from "./sql-statements.ts";

/**
 * Up to here nothing has been released: those files always meet an empty database, so only the rules of isolation bind them.
 * Frozen with the first release; everything later runs while the version before it still serves.
 */
export const LAST_INITIAL_MIGRATION = 7;

/** Begins the file that drops what no version still running can use; it names the last version that did. */
const UNUSED_SINCE = /^-- auterity:unused-since \d+\.\d+\.\d+$/m;

type Rule = {
  /** On the statement's shape. */
  breaks: RegExp;
  /** A shape that makes it harmless after all. */
  unless?: RegExp;
  /** Allowed in a file marked `-- auterity:unused-since <version>`. */
  drops?: true;
  why: string;
};

/** On whole statements; `{table}` is what the statement is about, if it has one. */
const STATEMENT_RULES: readonly (Rule & { table?: RegExp })[] = [
  {
    breaks: /^drop (table|view|materialized view|schema|type|sequence|function|procedure|column)\b/,
    drops: true,
    why: 'the version still running may use it; release without using it first, then drop it in a file with "-- auterity:unused-since <version>"',
  },
  { breaks: /^alter \w+ .*\brename\b/, why: "the version still running knows the old name; add the new one beside it" },
  {
    breaks: /^create (unique )?index (?!concurrently)/,
    table: / on (only )?(?<name>[\w.]+)/,
    why: `writers wait until the index is built; use CREATE INDEX CONCURRENTLY in a file of its own that begins with "${NO_TRANSACTION}"`,
  },
  { breaks: /^drop index (?!concurrently)/, why: "readers and writers wait; use DROP INDEX CONCURRENTLY" },
  { breaks: /^reindex\b/, unless: /\bconcurrently\b/, why: "writers wait; use REINDEX CONCURRENTLY" },
  { breaks: /^refresh materialized view (?!concurrently)/, why: "readers wait; use REFRESH MATERIALIZED VIEW CONCURRENTLY" },
  { breaks: /^(lock|truncate|cluster)\b|^vacuum full\b/, why: "it locks a whole table" },
  {
    breaks: /^update\b|^delete from\b/,
    unless: /\bwhere\b/,
    why: "it rewrites a whole table in one transaction; fill in batches, outside the migration",
  },
];

/** On the single actions of ALTER TABLE, for tables that existed before this migration. */
const ACTION_RULES: readonly Rule[] = [
  {
    breaks: /^drop (?!constraint|not null|default|expression|identity)/,
    drops: true,
    why: 'the version still running may use the column; release without using it first, then drop it in a file with "-- auterity:unused-since <version>"',
  },
  { breaks: /^rename\b/, why: "the version still running knows the old name" },
  { breaks: /^alter (column )?\S+ (set data )?type\b/, why: "it rewrites the table under an exclusive lock; add a second column" },
  {
    breaks: /^alter (column )?\S+ set not null/,
    why: "it scans the table under an exclusive lock; add CHECK (… IS NOT NULL) NOT VALID and validate it",
  },
  {
    breaks: /^add (?!constraint|check|foreign|primary|unique|exclude).*\bnot null\b/,
    unless: /\bdefault\b/,
    why: "rows that the version still running inserts lack the column; give it a constant default",
  },
  {
    breaks: /^add (?!constraint|check|foreign).*\bdefault\b.*\b(gen_random_uuid|uuidv\w+|clock_timestamp|random|nextval)\b/,
    why: "a default that differs per row rewrites the table; add the column without it",
  },
  { breaks: /^add .*\bgenerated (always|by default) as\b|^add .*\b(big|small)?serial\b/, why: "it rewrites the table" },
  {
    breaks: /^add (column )?(?!constraint|check|foreign|primary|unique|exclude).*\b(references|unique|primary key|check)\b/,
    why: "the constraint is checked under a lock; add it by itself, NOT VALID",
  },
  {
    breaks: /^add (constraint \S+ )?(check|foreign key)\b/,
    unless: /\bnot valid\b/,
    why: "add it NOT VALID, and validate it in a later statement",
  },
  {
    breaks: /^add (constraint \S+ )?(unique|primary key|exclude)\b/,
    unless: /\busing index\b/,
    why: "build the index concurrently and use it",
  },
  { breaks: /^set (un)?logged\b|^set tablespace\b/, why: "it rewrites the table under an exclusive lock" },
];

const CREATED = /^create (unlogged )?table (if not exists )?(?<name>[\w.]+)/;
const PROTECTED = /auterity_protect\( ?(target => )?'(public\.)?(?<name>\w+)'/g;

/** Everything that makes a migration unsafe, as sentences; empty for a good one. */
export function findMigrationProblems(migration: Migration): string[] {
  const statements = readStatements(migration.sql);
  const created = new Set(statements.flatMap(({ shape }) => tableName(CREATED.exec(shape))));
  const problems = [...isolationProblems(statements, created)];
  if (migration.number > LAST_INITIAL_MIGRATION) problems.push(...deployProblems(migration, statements, created));
  return problems;
}

/** Rules that bind every migration: no table without isolation, nothing that takes isolation away. */
function isolationProblems(statements: readonly Statement[], created: ReadonlySet<string>): string[] {
  const isProtected = new Set(statements.flatMap(({ text }) => [...text.matchAll(PROTECTED)].flatMap((match) => tableName(match))));
  const global: ReadonlySet<string> = new Set(GLOBAL_TABLES);
  const partitions = new Set(
    statements.filter(({ shape }) => / partition of /.test(shape)).flatMap(({ shape }) => tableName(CREATED.exec(shape))),
  );
  const open = [...created].filter((table) => !isProtected.has(table) && !global.has(table) && !partitions.has(table));
  const weakened = statements.filter(({ shape }) => /\b(disable|no force) row level security\b/.test(shape));
  const definers = statements.filter(({ shape }) => /\bsecurity definer\b/.test(shape) && !/\bset search_path\b/.test(shape));
  return [
    ...open.map((table) => `table ${table}: call auterity_protect('${table}'), or list it in global-tables.ts`),
    ...weakened.map((statement) => problem(statement, "it takes tenant isolation away")),
    ...definers.map((statement) => problem(statement, "a SECURITY DEFINER function needs SET search_path")),
  ];
}

function deployProblems(migration: Migration, statements: readonly Statement[], created: ReadonlySet<string>): string[] {
  const outside = migration.sql.startsWith(NO_TRANSACTION);
  const concurrent = statements.some(({ shape }) => /\bconcurrently\b/.test(shape));
  const mayDrop = UNUSED_SINCE.test(migration.sql);
  const problems = statements.flatMap((statement) => statementProblems(statement, { created, mayDrop }));
  if (concurrent && !outside) problems.push(`CONCURRENTLY cannot run in a transaction: begin the file with "${NO_TRANSACTION}"`);
  if (outside && statements.length > 1) problems.push("a file without a transaction may hold one statement only: half of it could stay");
  return problems;
}

type Circumstances = { created: ReadonlySet<string>; mayDrop: boolean };

function statementProblems(statement: Statement, { created, mayDrop }: Circumstances): string[] {
  const { shape } = statement;
  const broken = STATEMENT_RULES.filter((rule) => {
    const [table] = tableName(rule.table?.exec(shape) ?? null);
    return isBroken(rule, shape, mayDrop) && (table === undefined || !created.has(table));
  });
  return [...broken.map(({ why }) => problem(statement, why)), ...actionProblems(statement, { created, mayDrop })];
}

function actionProblems(statement: Statement, { created, mayDrop }: Circumstances): string[] {
  const match = /^alter table (if exists )?(only )?(?<name>[\w."]+) (?<actions>.*)$/.exec(statement.shape);
  const [table] = tableName(match);
  if (table === undefined || created.has(table)) return [];
  const actions = splitList(match?.groups?.["actions"] ?? "");
  return actions.flatMap((action) =>
    ACTION_RULES.filter((rule) => isBroken(rule, action, mayDrop)).map(({ why }) => problem(statement, why)),
  );
}

function isBroken({ breaks, unless, drops }: Rule, shape: string, mayDrop: boolean): boolean {
  return breaks.test(shape) && !unless?.test(shape) && !(drops && mayDrop);
}

function tableName(match: RegExpExecArray | RegExpMatchArray | null): string[] {
  const name = match?.groups?.["name"];
  return name === undefined ? [] : [name.replaceAll('"', "").replace(/^public\./, "")];
}

function problem({ text }: Statement, why: string): string {
  return `${text.length > 80 ? `${text.slice(0, 80)}…` : text}: ${why}`;
}
