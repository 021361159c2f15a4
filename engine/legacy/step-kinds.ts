/* What the old type names mean. A type that is not here passes its data on and says so. */

export type StepKind = "input" | "process" | "output" | "ai" | "validation" | "marker" | "condition" | "simulated" | "unknown";

const KINDS: Record<Exclude<StepKind, "unknown">, readonly string[]> = {
  input: ["input", "data_input"],
  process: ["process"],
  output: ["output"],
  validation: ["data_validation"],
  ai: [
    "ai",
    "ai_process",
    "ai-process",
    "ai_processing",
    "ai_task",
    "lead_qualification",
    "price_optimization",
    "customer_sentiment",
    "recommendation_engine",
  ],
  marker: ["start", "end", "default", "customer_inquiry", "inventory_update", "service_appointment", "lead_generation"],
  condition: ["condition", "decision", "customer_type", "budget_range", "vehicle_preference", "geographic_location"],
  simulated: [
    "send_email",
    "email",
    "email_send",
    "notification",
    "update_crm",
    "schedule_appointment",
    "generate_quote",
    "inventory_check",
    "webhook",
    "action",
    "data",
    "data_lookup",
    "data_update",
  ],
};
const BY_TYPE = new Map(Object.entries(KINDS).flatMap(([kind, types]) => types.map((type) => [type, kind] as const)));

export function kindOf(type: string): StepKind {
  const kind = BY_TYPE.get(type);
  return kind !== undefined && isKind(kind) ? kind : "unknown";
}

const isKind = (kind: string): kind is StepKind => Object.hasOwn(KINDS, kind);

/** What a step of this type puts into the bag when nothing is behind it. */
export const SIMULATED_PORTS: ReadonlyMap<string, Readonly<Record<string, boolean | number | never[]>>> = new Map<
  string,
  Readonly<Record<string, boolean | number | never[]>>
>([
  ["send_email", { email_sent: false }],
  ["email", { email_sent: false }],
  ["email_send", { email_sent: false }],
  ["update_crm", { crm_updated: false }],
  ["schedule_appointment", { appointment_scheduled: false }],
  ["generate_quote", { quote_generated: false }],
  ["inventory_check", { available_vehicles: [], inventory_count: 0 }],
]);

type AiPorts = { ports: readonly string[]; text: string };
/** The values that the answer of such a step is to hold, and the one that takes it as it is when it holds none. */
export const AI_PORTS: ReadonlyMap<string, AiPorts> = new Map([
  ["lead_qualification", { ports: ["lead_score", "qualification_notes"], text: "qualification_notes" }],
  ["price_optimization", { ports: ["optimized_price", "pricing_rationale"], text: "pricing_rationale" }],
  ["customer_sentiment", { ports: ["sentiment_score", "emotion_analysis", "response_recommendation"], text: "response_recommendation" }],
  ["recommendation_engine", { ports: ["recommended_vehicles", "recommendation_reasoning"], text: "recommendation_reasoning" }],
]);
