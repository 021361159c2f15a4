import { describe, expect, test } from "vitest";
import { findMigrationProblems, LAST_INITIAL_MIGRATION } from "./migration-rules.ts";
import { readMigrations } from "./migrate.ts";
import { readStatements } from "./sql-statements.ts";

const migration = (sql: string, number = LAST_INITIAL_MIGRATION + 1) => ({ number, name: "x", sql, checksum: "" });
const problemsOf = (sql: string): string[] => findMigrationProblems(migration(sql));

describe("rules for migrations", () => {
  test("hold for every migration of this version", async () => {
    const found = (await readMigrations()).flatMap((each) => findMigrationProblems(each).map((text) => `${each.number}: ${text}`));
    expect(found).toEqual([]);
  });

  test.each([
    ["dropping a table", "drop table runs"],
    ["dropping a column", "alter table runs drop column input"],
    ["dropping a column without the word", "alter table only runs drop input"],
    ["renaming a table", "alter table runs rename to jobs"],
    ["renaming a column", "alter table runs rename column input to payload"],
    ["changing a type", "alter table runs alter column seq type text"],
    ["changing a type, long form", "alter table runs alter seq set data type text"],
    ["requiring a value", "alter table runs alter column name set not null"],
    ["a required column without a default", "alter table runs add column kind text not null"],
    ["a default that differs per row", "alter table runs add column key uuid default gen_random_uuid()"],
    ["a generated column", "alter table runs add column a int generated always as (seq + 1) stored"],
    ["a constraint inside a new column", "alter table runs add column parent uuid references runs (id)"],
    ["a second action in the list", "alter table runs add column note text, drop column input"],
    ["a check that scans", "alter table runs add constraint positive check (seq > 0)"],
    ["a foreign key that scans", "alter table runs add foreign key (parent) references runs (id)"],
    ["a unique constraint that builds its index", "alter table runs add constraint once unique (key)"],
    ["an index that blocks writers", "create index runs_by_key on runs (key)"],
    ["a unique index that blocks writers", "create unique index on public.runs (key)"],
    ["an index concurrently inside a transaction", "create index concurrently runs_by_key on runs (key)"],
    ["dropping an index", "drop index runs_by_key"],
    ["locking a table", "lock table runs in exclusive mode"],
    ["emptying a table", "truncate runs"],
    ["rewriting all rows", "update runs set key = 'x'"],
    [
      "a file without a transaction that could stay half done",
      "-- auterity:no-transaction\nselect 1; create index concurrently a on runs (b)",
    ],
    ["a table without isolation", "create table things (tenant_id uuid not null)"],
    ["taking isolation away", "alter table runs no force row level security"],
    ["a definer function with the caller's search path", "create function f() returns int language sql security definer as $$ select 1 $$"],
  ])("reject %s", (_, sql) => {
    expect(problemsOf(sql)).not.toEqual([]);
  });

  test.each([
    ["an optional column", "alter table runs add column note text"],
    ["a required column with a constant default", "alter table runs add column kind text not null default 'plain'"],
    ["a default of the transaction's time", "alter table runs add column at timestamptz not null default now()"],
    [
      "a constraint not yet valid",
      "alter table runs add constraint positive check (seq > 0) not valid; alter table runs validate constraint positive",
    ],
    ["a constraint from an index", "alter table runs add constraint once unique using index runs_once"],
    ["an index concurrently in a file of its own", "-- auterity:no-transaction\ncreate index concurrently runs_by_key on runs (key);"],
    ["loosening a column", "alter table runs alter column note drop not null"],
    [
      "a new, protected table with indexes and constraints",
      `create table things (tenant_id uuid not null, name text);
       create index on things (tenant_id, name);
       alter table things add constraint named check (name <> '');
       select auterity_protect('things', worker => 'read');`,
    ],
    ["what only looks like SQL", "comment on table runs is 'do not; drop table runs'; -- drop table runs\nselect $x$ ; truncate runs $x$"],
    ["dropping what nobody uses any more", "-- auterity:unused-since 1.4.0\nalter table runs drop column input; drop table things"],
    ["filling some rows", "update runs set kind = 'plain' where kind is null and id < 'a'"],
  ])("accept %s", (_, sql) => {
    expect(problemsOf(sql)).toEqual([]);
  });

  test("let the initial migrations change what nobody has yet, but not skip isolation", () => {
    expect(findMigrationProblems(migration("alter table runs drop column input", 2))).toEqual([]);
    expect(findMigrationProblems(migration("create table things (id uuid)", 2))).toHaveLength(1);
  });
});

describe("splitting SQL", () => {
  test("keeps literals in the text and out of the shape", () => {
    expect(readStatements("select 'it''s; so' /* a /* b */ ; */, \"A;b\";\nselect $$ x; $$")).toEqual([
      { shape: "select '' , \"a;b\"", text: "select 'it''s; so' , \"a;b\"" },
      { shape: "select ''", text: "select ''" },
    ]);
  });

  test("survives literals and comments that never end", () => {
    expect(readStatements("select 'open")).toHaveLength(1);
    expect(readStatements("select 1 /* open")).toHaveLength(1);
    expect(readStatements("select $a$ open")).toHaveLength(1);
  });
});
