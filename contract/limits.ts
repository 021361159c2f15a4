/** Every limit of the platform, in one place. Units are in the names. Each one has a test that crosses it. */
export const LIMITS = {
  bodyBytes: 4 * 1024 * 1024,
  jsonDepth: 64,
  jsonNodes: 200_000,
  nameChars: 120,
  descriptionChars: 4_000,
  nodesPerWorkflow: 2_000,
  edgesPerWorkflow: 8_000,
  expressionChars: 8_192,
  expressionMs: 50,
  expressionResultBytes: 1024 * 1024,
  mapItems: 100_000,
  mapConcurrency: 64,
  /** Results of all items of a map together. */
  mapResultBytes: 4 * 1024 * 1024,
  loopRounds: 10_000,
  nodeConcurrency: 1_000,
  agentConcurrency: 1_000,
  switchCases: 64,
  teamMembers: 16,
  teamRounds: 100,
  /** Of a team's task, of what one member asks of another, and of what a member is told of the others' answers; as JSON. */
  teamTextChars: 64 * 1024,
  approvers: 32,
  signalNameChars: 128,
  /** Messages that wait in a run's inbox. */
  inboxMessages: 1_000,
  /** Runs that are sorted or moved to another version by one request. */
  movedRuns: 50,
  /** Events of a run that is sorted. */
  sortedEvents: 50_000,
  codeChars: 64 * 1024,
  /** How long code may run unless its step says otherwise, and the most that it can say. */
  codeMs: 5_000,
  codeMaxMs: 60_000,
  /** How long it may wait for its turn, beside that. */
  codeGraceMs: 1_000,
  /** What code may keep in memory at once. */
  codeMemoryBytes: 64 * 1024 * 1024,
  codeStackBytes: 256 * 1024,
  /** Of what code is given, as JSON. */
  codeInputBytes: 1024 * 1024,
  /** Pieces of code that run at once in a process, and that wait for their turn. */
  codeWorkers: 4,
  codeQueue: 1_000,
  /** Of the answer to an `http` step, as it comes. */
  httpResponseBytes: 2 * 1024 * 1024,
  httpHeaders: 64,
  /** The longest that another side can make a retry wait. */
  retryAfterMs: 60 * 60 * 1000,
  /** Larger results are not kept for others. */
  cacheOutputBytes: 256 * 1024,
  cacheTtlMs: 30 * 24 * 60 * 60 * 1000,
  /** Levels of runs started by runs. */
  runDepth: 16,
  runTimeoutMs: 365 * 24 * 60 * 60 * 1000,
  contextKeys: 256,
  attempts: 20,
  timeoutMs: 24 * 60 * 60 * 1000,
  stepOutputBytes: 4 * 1024 * 1024,
  pageItems: 200,
  /** Events of a run that is retried from where it failed, or forked, and their bytes together. */
  forkEvents: 50_000,
  forkBytes: 64 * 1024 * 1024,
  /** Runs that are cancelled, retried or waited for together. */
  bulkRuns: 200,
  /** How long one request waits for runs to end. */
  waitMs: 60_000,
  tags: 32,
  tagChars: 64,
  /** Of a server's launch, as JSON. */
  launchBytes: 128 * 1024,
  launchArguments: 128,
  /** Variables, headers or parameters of the address of a launch. */
  launchValues: 64,
  /** Of a script whose bytes are part of what is approved. */
  mcpScriptBytes: 16 * 1024 * 1024,
  /** Servers of one imported document. */
  importedServers: 500,
  importChars: 256 * 1024,
  /** Tools that are approved or rejected by one request. */
  toolsDecided: 200,
  /** Definitions that are kept of a tool, beside those that somebody has decided about. */
  toolDefinitionsKept: 100,
  /** Of a hint about tools: how many of them, and of the workflows that call them, it names. */
  liveTools: 20,
  liveWorkflows: 20,
  /** Of hints about the progress of steps: how often of one step, of how many at once in each process, and of a message in them. */
  stepProgressMs: 500,
  stepProgressAtOnce: 100,
  liveMessageChars: 200,
  frameBytes: 64 * 1024,
  /** Lines of a server's log: how many are kept, how long one may be, and what is searched for in them. */
  mcpLogLines: 5_000,
  mcpLogLineChars: 4_096,
  mcpLogSearchChars: 200,
  mcpRoots: 32,
  /** How long a question of a server waits for an answer, and how many of one server may. */
  mcpQuestionMs: 24 * 60 * 60 * 1000,
  mcpQuestions: 100,
  /** How long a call outside a run stays open for its caller's answers, and how many of a workspace may. */
  mcpResumeMs: 10 * 60 * 1000,
  mcpResumableCalls: 100,
  /** Of a resource's address or template, and of one value in it. */
  mcpUriChars: 8_192,
  /** Of one argument of a prompt. */
  mcpArgumentChars: 64 * 1024,
  /** Of one answer that a server may have of a model, and how many it may ask for. */
  mcpSamplingTokens: 100_000,
  mcpSamplingPerMinute: 600,
  /** What one MCP server with all its processes may use, unless its launch says otherwise: memory, cores, processes, disk; and each of them: open files, bytes of one file. */
  mcpMemoryBytes: 2 * 1024 * 1024 * 1024,
  mcpLeastMemoryBytes: 32 * 1024 * 1024,
  mcpCpuPercent: 200,
  mcpProcesses: 256,
  mcpOpenFiles: 4_096,
  mcpFileBytes: 2 * 1024 * 1024 * 1024,
  mcpDiskBytes: 4 * 1024 * 1024 * 1024,
  /** Beyond its memory, what one process may reserve before the system refuses: programs reserve more than they use. */
  mcpReservedBytes: 1024 * 1024 * 1024,
  /** Hosts that a sandbox may be let out to. Of what one process has there: connections at once, bytes of a request's head, how long one may take to open and may be silent, refused hosts that are noted. */
  mcpSandboxHosts: 64,
  /** Hosts that a server's questions may lead to. */
  mcpQuestionHosts: 64,
  mcpHostConnections: 256,
  mcpHostHeadBytes: 16 * 1024,
  mcpHostConnectMs: 15_000,
  mcpHostIdleMs: 10 * 60_000,
  mcpRefusedHosts: 100,
  /** What is read of a server's output in a second; then it has to wait. */
  mcpStdoutBytesPerSecond: 256 * 1024 * 1024,
  mcpStderrBytesPerSecond: 16 * 1024 * 1024,
  /** Of stderr: what is looked at in a second; lines beyond are counted. */
  mcpStderrKeptBytesPerSecond: 256 * 1024,
  /** Lines on stdout of one process that are no messages. */
  mcpStrayLines: 10_000,
  frameQueryChars: 200,
  /** How long one look among the frames may take, with all that it has to look through. */
  frameSearchMs: 20_000,
  /** Frames that wait to be stored, of one process; more are counted instead. */
  framesWaiting: 50_000,
  framesWaitingBytes: 32 * 1024 * 1024,
  /** How far the follower of a server's frames may fall behind before it is told what it missed. */
  framesBehind: 10_000,
  /** Calls at once, in each process of the platform: of a server, of one of its tools, of all servers of a tenant; more wait for their turn. */
  mcpServerCalls: 4_000,
  mcpToolCalls: 4_000,
  mcpTenantCalls: 8_000,
  /** Calls of tools that wait for their turn, in each process of the platform: of a workspace, and of one of its servers. */
  mcpCallsWaiting: 10_000,
  mcpServerCallsWaiting: 5_000,
  /** Calls in a row without an answer, after which a tool, or a server, is not called for a while. */
  mcpToolFailures: 5,
  mcpServerFailures: 10,
  mcpBreakerMs: 10_000,
  mcpBreakerMaxMs: 5 * 60_000,
  /** Results of read-only tools that are kept, of one process: together, and for how long. */
  mcpCacheBytes: 32 * 1024 * 1024,
  mcpCacheMs: 24 * 60 * 60 * 1000,
  /** Tools of a server that have settings of their own. */
  mcpToolSettings: 500,
  /** How long one request to a tool may take. */
  toolCallMs: 600_000,
  /** Tests of MCP servers that one process runs at once, how long one may take, and how many reports are kept of each server. */
  mcpTestsAtOnce: 4,
  mcpTestMs: 120_000,
  mcpTestsKept: 20,
  /** Reports of launches that were not registered, of a workspace. */
  mcpTrialsKept: 200,
  /** How long the making of a sample may take, how many wait for their turn, and how many parts a schema may have. */
  sampleMs: 3_000,
  samplesWaiting: 64,
  schemaNodes: 20_000,
  idempotencyKeyChars: 255,
  socketMessageBytes: 1024 * 1024,
  eventStreamsPerCaller: 16,
  /** Of one caller, to the MCP endpoints, calls and lists alike. */
  mcpRequestsPerMinute: 300_000,
  /** Of one caller; one more ends the one that has been quiet for longest. */
  mcpSessionsPerCaller: 100,
  /** Resources that one client of the gateway is told about. */
  mcpSubscriptions: 100,
  /** How long a call through an MCP endpoint may take. */
  mcpCallMs: 10 * 60 * 1000,
  /** Tools, resources or prompts in one answer of an MCP endpoint. */
  mcpListItems: 5_000,
  cronChars: 200,
  scheduleInputBytes: 64 * 1024,
  catchUpMinutes: 7 * 24 * 60,
  catchUpSlots: 1_000,
  /** Slots that wait for an earlier run of their schedule; more are skipped. */
  queuedSlots: 100,
  webhookBytes: 1024 * 1024,
  webhookHeaders: 16,
  /** Of one webhook; beyond, senders are asked to wait. */
  webhookCallsPerMinute: 600,
  toleranceSeconds: 60 * 60,
  runListeners: 100,
  /** How many runs may start one another by run listeners. */
  listenerDepth: 8,
  listenerAttempts: 8,
  listenerBytes: 256 * 1024,
  /** Connections of a pooled MCP server, and sessions of one that has a connection for each. */
  mcpPoolProcesses: 16,
  mcpSessions: 64,
  quarantineReasonChars: 500,
} as const;
