/** The rows of the threat corpus about MCP servers: what may be started, where addresses may lead, messages, tools. */
const ROWS = {
  S: [1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19, 20, 22, 23, 25, 26, 28, 29],
  N: [1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19, 20, 22, 23, 25, 26, 28, 29, 31, 32, 34],
  M: [1, 2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19, 20, 22, 23, 25, 26, 28, 29],
  T: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20],
} as const;

export const THREAT_IDS: readonly string[] = Object.entries(ROWS).flatMap(([group, rows]) =>
  rows.map((row) => `${group}-${String(row).padStart(2, "0")}`),
);

/** Rows that no test is named after, each with its reason. */
export const ELSEWHERE: Readonly<Record<string, string>> = {
  "N-25": "About the metadata of authorization servers: the platform fetches none, as it signs in to no remote server yet.",
  "N-26": "About documents that identify clients: the platform is no authorization server.",
};
