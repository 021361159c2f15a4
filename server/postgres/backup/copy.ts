import { once } from "node:events";
import { Readable } from "node:stream";
import type { Client, Connection } from "pg";

/** What `pg` calls on a query object of one's own; see `Client.query(submittable)`. */
type Steps = {
  handleRowDescription(): void;
  handleDataRow(): void;
  handleEmptyQuery(): void;
  handleCommandComplete(): void;
  handleCopyInResponse(connection: Connection): void;
  handleCopyData(message: { chunk: Buffer }, connection: Connection): void;
  handleError(error: Error): void;
  handleReadyForQuery(): void;
};
const nothing = (): void => {};
const IGNORED = {
  handleRowDescription: nothing,
  handleDataRow: nothing,
  handleEmptyQuery: nothing,
  handleCommandComplete: nothing,
  handleCopyInResponse: nothing,
  handleCopyData: nothing,
} as const;

/** Rows arrive one by one; they are passed on in pieces of about this size. */
const PIECE_BYTES = 128 * 1024;

/**
 * The text format of `COPY (query) TO STDOUT` as a stream. A slow reader stops the socket, so that memory stays small. When the stream
 * is abandoned, the connection must be closed: the server would go on sending.
 */
export function copyOut(client: Client, query: string): Readable {
  let connection: Connection | undefined;
  let waiting: Buffer[] = [];
  let waitingBytes = 0;
  const stream = new Readable({ read: () => void connection?.stream.resume() });
  const pass = (): void => {
    if (waitingBytes > 0 && !stream.push(Buffer.concat(waiting))) connection?.stream.pause();
    waiting = [];
    waitingBytes = 0;
  };
  const steps: Steps & { submit(connection: Connection): void } = {
    ...IGNORED,
    submit: (opened) => {
      connection = opened;
      opened.query(`copy (${query}) to stdout`);
    },
    handleCopyData: ({ chunk }) => {
      // A copy, because the parser uses its buffer again.
      waiting.push(Buffer.from(chunk));
      waitingBytes += chunk.length;
      if (waitingBytes >= PIECE_BYTES) pass();
    },
    handleError: (error) => void stream.destroy(error),
    handleReadyForQuery: () => {
      pass();
      stream.push(null);
    },
  };
  client.query(steps);
  return stream;
}

export type CopyIn = {
  /** Resolves when the socket takes more; rejects when the server has refused what came before. */
  write(chunk: Buffer): Promise<void>;
  /** Resolves when the server has taken everything. */
  finish(): Promise<void>;
};

/** `COPY target FROM STDIN` in the text format. Either `finish` it or close the connection. */
export async function copyIn(client: Client, target: string): Promise<CopyIn> {
  const opened = Promise.withResolvers<CopyConnection>();
  const done = Promise.withResolvers<undefined>();
  done.promise.catch(nothing);
  const steps: Steps & { submit(connection: Connection): void } = {
    ...IGNORED,
    submit: (connection) => connection.query(`copy ${target} from stdin`),
    handleCopyInResponse: (connection) => {
      if (speaksCopy(connection)) opened.resolve(connection);
    },
    handleError: (error) => {
      opened.reject(error);
      done.reject(error);
    },
    handleReadyForQuery: () => done.resolve(undefined),
  };
  client.query(steps);
  const connection = await opened.promise;
  return {
    write: async (chunk) => {
      connection.sendCopyFromChunk(chunk);
      if (connection.stream.writableNeedDrain) await Promise.race([once(connection.stream, "drain"), done.promise]);
    },
    finish: async () => {
      connection.endCopyFrom();
      await done.promise;
    },
  };
}

/** The methods exist but are missing in the types of `pg`. */
type CopyConnection = Connection & { sendCopyFromChunk(chunk: Buffer): void; endCopyFrom(): void };
function speaksCopy(connection: Connection): connection is CopyConnection {
  return "sendCopyFromChunk" in connection && "endCopyFrom" in connection;
}
