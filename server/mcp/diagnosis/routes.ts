import { checkMcpServer, getToolSample, listMcpServerTests, testMcpLaunch, testMcpServer } from "#contract/mcp/tests.ts";
import { handle, type Handled } from "#server/kernel/handle.ts";
import type { DiagnosisUseCases } from "./diagnosis.ts";

export const diagnosisRoutes = (diagnosis: DiagnosisUseCases): Handled[] => [
  handle(testMcpServer, ({ caller, params, body, signal }) => diagnosis.test(caller, params.id, { ...body, signal })),
  handle(testMcpLaunch, ({ caller, body, signal }) => diagnosis.testLaunch(caller, { ...body, signal })),
  handle(listMcpServerTests, ({ caller, params }) => diagnosis.tests(caller, params.id)),
  handle(checkMcpServer, ({ caller, params }) => diagnosis.check(caller, params.id)),
  handle(getToolSample, ({ caller, params }) => diagnosis.sample(caller, params.id)),
];
