import type pg from "pg";
import { expect, test } from "vitest";
import type { Json } from "#contract/common.ts";
import { Problem } from "#contract/errors.ts";
import { HTTP_STATUS } from "#server/http/problem.ts";
import { rawRequest, type RawRequest } from "./raw-request.ts";
import type { StartedPlatform } from "./started-platform.ts";
import { changesNothing } from "./state-hash.ts";

export type Code = keyof typeof HTTP_STATUS;
/** A request that must be refused. `{run}` and the like stand for ids that exist, in the path and in `json`. */
export type BadInput = Omit<RawRequest, "path"> & {
  path: string;
  /** Sent as JSON. */
  json?: Json;
  code: Code;
  /** What the answer's issues must hold, beside what every problem does. */
  issues?: readonly object[];
};
type Place = { platform: StartedPlatform; superuser: pg.Client; known: object };

export function badInputs(place: () => Place) {
  const fill = (text: string): string => text.replaceAll(/\{(\w+)\}/g, (whole, name: string) => Reflect.get(place().known, name) ?? whole);

  async function send({ path, json, headers = {}, method, body, chunkBytes }: BadInput) {
    const { platform } = place();
    const payload = json === undefined ? body : fill(JSON.stringify(json));
    return rawRequest(platform.url, {
      method: method ?? (payload === undefined ? "GET" : "POST"),
      path: fill(path),
      headers: {
        authorization: `Bearer ${platform.token}`,
        ...(payload === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(payload === undefined ? {} : { body: payload }),
      ...(chunkBytes === undefined ? {} : { chunkBytes }),
    });
  }

  /** Checks that the answer is a whole problem document with this code. */
  async function expectProblem(bad: BadInput): Promise<Problem> {
    const { status, headers, body } = await send(bad);
    expect(headers["content-type"], body).toBe("application/problem+json; charset=utf-8");
    const problem = Problem.parse(JSON.parse(body));
    expect(problem).toMatchObject({ code: bad.code, status: HTTP_STATUS[bad.code] });
    expect(status).toBe(problem.status);
    expect(status).toBeLessThan(500);
    for (const text of [problem.detail, problem.remedy, problem.requestId, problem.title]) expect(text.trim()).not.toBe("");
    expect(headers["x-request-id"]).toBe(problem.requestId);
    if (bad.issues) expect(problem.issues).toEqual(bad.issues.map((issue): unknown => expect.objectContaining(issue)));
    return problem;
  }

  /** Every case is refused in its own way, and afterwards the database holds what it held before. */
  function refuses(cases: Readonly<Record<string, BadInput>>): void {
    test.each(Object.entries(cases))("%s", async (_, bad) => {
      await changesNothing(place().superuser, () => expectProblem(bad));
    });
  }
  return { send, expectProblem, refuses };
}
