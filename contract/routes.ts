import * as access from "./access.ts";
import * as agents from "./agents.ts";
import * as approvals from "./approvals.ts";
import * as egress from "./egress.ts";
import * as mcpCompletion from "./mcp/completion.ts";
import * as mcpCalls from "./mcp/calls.ts";
import * as mcpFrames from "./mcp/frames.ts";
import * as mcpImport from "./mcp/import.ts";
import * as mcpLogs from "./mcp/logs.ts";
import * as mcpPrompts from "./mcp/prompts.ts";
import * as mcpQuestions from "./mcp/questions.ts";
import * as mcpResources from "./mcp/resources.ts";
import * as mcpTests from "./mcp/tests.ts";
import * as mcpProcesses from "./mcp/processes.ts";
import * as mcpServers from "./mcp/servers.ts";
import * as mcpSupervision from "./mcp/supervision.ts";
import * as mcpToolReview from "./mcp/tool-review.ts";
import * as mcpTools from "./mcp/tools.ts";
import * as mcpWellKnown from "./mcp/well-known.ts";
import * as messages from "./messages.ts";
import * as openai from "./openai.ts";
import * as common from "./common.ts";
import * as definition from "./definition.ts";
import * as errors from "./errors.ts";
import * as journal from "./journal.ts";
import type { RouteSpec } from "./route.ts";
import * as again from "./run-again.ts";
import * as runs from "./runs.ts";
import * as secrets from "./secrets.ts";
import * as system from "./system.ts";
import * as triggers from "./trigger-routes.ts";
import * as triggerSchemas from "./triggers.ts";
import * as versions from "./versions.ts";
import * as workflows from "./workflows.ts";

/** Every route, by name. The server refuses to start while one of them has no handler. */
export const ROUTES = {
  healthz: system.healthz,
  readyz: system.readyz,
  metricsText: system.metricsText,
  streamEvents: system.streamEvents,
  createSession: access.createSession,
  getMe: access.getMe,
  endSession: access.endSession,
  createLink: access.createLink,
  listAudit: access.listAudit,
  verifyAudit: access.verifyAudit,
  listSecrets: secrets.listSecrets,
  putSecret: secrets.putSecret,
  deleteSecret: secrets.deleteSecret,
  listEgressTargets: egress.listEgressTargets,
  allowEgressTarget: egress.allowEgressTarget,
  forbidEgressTarget: egress.forbidEgressTarget,
  listWorkflows: workflows.listWorkflows,
  createWorkflow: workflows.createWorkflow,
  getWorkflow: workflows.getWorkflow,
  updateWorkflow: workflows.updateWorkflow,
  deleteWorkflow: workflows.deleteWorkflow,
  listWorkflowVersions: workflows.listWorkflowVersions,
  getWorkflowVersion: workflows.getWorkflowVersion,
  listLiveRuns: versions.listLiveRuns,
  sortLiveRuns: versions.sortLiveRuns,
  moveRuns: versions.moveRuns,
  validateWorkflow: workflows.validateWorkflow,
  validateDefinition: workflows.validateDefinition,
  listNodeTypes: workflows.listNodeTypes,
  startRun: runs.startRun,
  listRuns: runs.listRuns,
  getRun: runs.getRun,
  getRunJournal: runs.getRunJournal,
  streamRunEvents: runs.streamRunEvents,
  cancelRun: runs.cancelRun,
  pauseRun: runs.pauseRun,
  resumeRun: runs.resumeRun,
  signalRun: runs.signalRun,
  retryRun: again.retryRun,
  forkRun: again.forkRun,
  requeueRun: again.requeueRun,
  awaitRun: again.awaitRun,
  awaitRuns: again.awaitRuns,
  cancelRuns: again.cancelRuns,
  retryRuns: again.retryRuns,
  getRunContext: runs.getRunContext,
  patchRunContext: runs.patchRunContext,
  listApprovals: approvals.listApprovals,
  getApproval: approvals.getApproval,
  decideApproval: approvals.decideApproval,
  delegateApproval: approvals.delegateApproval,
  listMcpServers: mcpServers.listMcpServers,
  createMcpServer: mcpServers.createMcpServer,
  updateMcpServer: mcpServers.updateMcpServer,
  importMcpServers: mcpImport.importMcpServers,
  previewMcpImport: mcpImport.previewMcpImport,
  listWellKnownServers: mcpWellKnown.listWellKnownServers,
  addWellKnownServer: mcpWellKnown.addWellKnownServer,
  getMcpServer: mcpServers.getMcpServer,
  deleteMcpServer: mcpServers.deleteMcpServer,
  startMcpServer: mcpServers.startMcpServer,
  stopMcpServer: mcpServers.stopMcpServer,
  restartMcpServer: mcpServers.restartMcpServer,
  approveMcpLaunch: mcpServers.approveMcpLaunch,
  quarantineMcpServer: mcpSupervision.quarantineMcpServer,
  releaseMcpServer: mcpSupervision.releaseMcpServer,
  testMcpServer: mcpTests.testMcpServer,
  testMcpLaunch: mcpTests.testMcpLaunch,
  listMcpServerTests: mcpTests.listMcpServerTests,
  checkMcpServer: mcpTests.checkMcpServer,
  getToolSample: mcpTests.getToolSample,
  listServerTools: mcpTools.listServerTools,
  listServerProcesses: mcpProcesses.listServerProcesses,
  listServerLogs: mcpLogs.listServerLogs,
  downloadServerLogs: mcpLogs.downloadServerLogs,
  streamServerLogs: mcpLogs.streamServerLogs,
  listMcpResources: mcpResources.listMcpResources,
  listMcpResourceTemplates: mcpResources.listMcpResourceTemplates,
  readMcpResource: mcpResources.readMcpResource,
  streamMcpResource: mcpResources.streamMcpResource,
  listMcpPrompts: mcpPrompts.listMcpPrompts,
  getMcpPrompt: mcpPrompts.getMcpPrompt,
  listMcpQuestions: mcpQuestions.listMcpQuestions,
  getMcpQuestion: mcpQuestions.getMcpQuestion,
  answerMcpQuestion: mcpQuestions.answerMcpQuestion,
  completeMcp: mcpCompletion.completeMcp,
  completeTool: mcpCompletion.completeTool,
  listTools: mcpTools.listTools,
  callTool: mcpTools.callTool,
  approveTool: mcpToolReview.approveTool,
  approveTools: mcpToolReview.approveTools,
  rejectTool: mcpToolReview.rejectTool,
  rejectTools: mcpToolReview.rejectTools,
  disableTool: mcpToolReview.disableTool,
  enableTool: mcpToolReview.enableTool,
  getToolDiff: mcpToolReview.getToolDiff,
  getToolHistory: mcpToolReview.getToolHistory,
  getToolUse: mcpToolReview.getToolUse,
  listAgents: agents.listAgents,
  createAgent: agents.createAgent,
  getAgent: agents.getAgent,
  deleteAgent: agents.deleteAgent,
  testAgent: agents.testAgent,
  listModels: agents.listModels,
  listSchedules: triggers.listSchedules,
  createSchedule: triggers.createSchedule,
  previewSchedule: triggers.previewSchedule,
  getSchedule: triggers.getSchedule,
  patchSchedule: triggers.patchSchedule,
  deleteSchedule: triggers.deleteSchedule,
  fireSchedule: triggers.fireSchedule,
  listSlots: triggers.listSlots,
  listWebhooks: triggers.listWebhooks,
  createWebhook: triggers.createWebhook,
  getWebhook: triggers.getWebhook,
  deleteWebhook: triggers.deleteWebhook,
  rotateWebhook: triggers.rotateWebhook,
  callHook: triggers.callHook,
  listRunListeners: triggers.listRunListeners,
  createRunListener: triggers.createRunListener,
  getRunListener: triggers.getRunListener,
  deleteRunListener: triggers.deleteRunListener,
  listListenerDeliveries: triggers.listListenerDeliveries,
  listMessages: messages.listMessages,
  exportMessages: messages.exportMessages,
  getFrame: messages.getFrame,
  replayFrame: mcpFrames.replayFrame,
  getServerCalls: mcpCalls.getServerCalls,
  listServerFrames: mcpFrames.listServerFrames,
  exportServerFrames: mcpFrames.exportServerFrames,
  streamServerFrames: mcpFrames.streamServerFrames,
  chatCompletions: openai.chatCompletions,
  openaiModels: openai.openaiModels,
} as const satisfies Record<string, RouteSpec>;
export type Routes = typeof ROUTES;
export type RouteName = keyof Routes;

/** All that the contract exports by name: the names of its schemas in the OpenAPI document. */
export const CONTRACT: readonly object[] = [
  common,
  errors,
  definition,
  journal,
  access,
  agents,
  approvals,
  mcpCompletion,
  mcpImport,
  mcpLogs,
  mcpPrompts,
  mcpQuestions,
  mcpResources,
  mcpProcesses,
  mcpServers,
  mcpSupervision,
  mcpToolReview,
  mcpTests,
  mcpTools,
  mcpWellKnown,
  messages,
  openai,
  runs,
  egress,
  secrets,
  system,
  triggers,
  triggerSchemas,
  workflows,
];
