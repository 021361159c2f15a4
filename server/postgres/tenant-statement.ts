import type { Connection, Submittable } from "pg";
import type { PreparedStatement, TextRow } from "../kernel/ports.ts";

/**
 * Arrays of any length would be planned anew each time, which costs more than carrying most statements out. And a plan that is
 * kept must not scan a table for ever because it was made while that was empty.
 */
const TENANT = {
  name: "auterity_tenant",
  text: `select set_config('auterity.tenant_id', $1, true), set_config('plan_cache_mode', 'force_generic_plan', true),
    set_config('enable_seqscan', 'off', true)`,
};

/** The statements that a connection has prepared. */
const prepared = new WeakMap<Connection, Set<string>>();

/**
 * Sets the tenant and carries out one prepared statement, sent together and answered together: without BEGIN, everything up to
 * the Sync message is one transaction of the server's own. `pg` calls the handlers as the answers arrive.
 */
export class TenantStatement implements Submittable {
  /** Resolves once the transaction has committed. */
  readonly rows: Promise<TextRow[]>;
  readonly #tenantId: string;
  readonly #statement: PreparedStatement;
  readonly #found: TextRow[] = [];
  #isTenantSet = false;
  #preparedHere: (() => void) | undefined;
  #settle: { resolve: (rows: TextRow[]) => void; reject: (error: unknown) => void };

  constructor(tenantId: string, statement: PreparedStatement) {
    this.#tenantId = tenantId;
    this.#statement = statement;
    const { promise, ...settle } = Promise.withResolvers<TextRow[]>();
    this.rows = promise;
    this.#settle = settle;
  }

  submit(connection: Connection): void {
    const known = prepared.get(connection) ?? new Set<string>();
    prepared.set(connection, known);
    const { name, values } = this.#statement;
    const bind = (statement: string, bound: PreparedStatement["values"]): void => connection.bind({ statement, values: [...bound] }, true);
    connection.stream.cork();
    for (const { name, text } of [TENANT, this.#statement]) if (!known.has(name)) prepare(connection, name, text);
    this.#preparedHere = () => void known.add(TENANT.name).add(name);
    bind(TENANT.name, [this.#tenantId]);
    connection.execute(null, true);
    bind(name, values);
    connection.execute(null, true);
    connection.sync();
    connection.stream.uncork();
  }

  handleDataRow({ fields }: { fields: TextRow }): void {
    if (this.#isTenantSet) this.#found.push(fields);
  }

  handleCommandComplete(): void {
    this.#isTenantSet = true;
  }

  handleError(error: unknown): void {
    this.#settle.reject(error);
  }

  handleReadyForQuery(): void {
    this.#preparedHere?.();
    this.#settle.resolve(this.#found);
  }
}

/** Whether an earlier attempt that failed got as far as preparing is not known; closing what does not exist is no error. */
function prepare(connection: Connection, name: string, text: string): void {
  connection.close({ type: "S", name }, true);
  connection.parse({ name, text, types: [] }, true);
}
