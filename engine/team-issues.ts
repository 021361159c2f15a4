import type { NodeOf, WorkflowNode } from "#contract/definition.ts";
import type { Issue } from "#contract/errors.ts";

type Data = NodeOf<"team">["data"];
type Found = { field: string; message: string };

/** Members that are not there, and what the team's mode has no use for. */
export function teamIssues(node: WorkflowNode, index: number): Issue[] {
  if (node.type !== "team") return [];
  const found = [...nameIssues(node.data), ...leadIssues(node.data), ...handoffIssues(node.data), ...sizeIssues(node.data)];
  return found.map(({ field, message }) => ({ path: `nodes[${index}].data.${field}`, nodeId: node.id, message }));
}

function nameIssues({ members }: Data): Found[] {
  const seen = new Set<string>();
  return members.flatMap(({ name }, i) => {
    const isNew = !seen.has(name);
    seen.add(name);
    return isNew ? [] : [{ field: `members[${i}].name`, message: `Expected a new name; ${name} is used before.` }];
  });
}

function leadIssues({ lead, mode, members }: Data): Found[] {
  if (lead === undefined) return [];
  if (mode !== "supervisor" && mode !== "debate") return [{ field: "lead", message: `A team in the mode ${mode} has no lead.` }];
  return isMember(lead, members) ? [] : [{ field: "lead", message: `There is no member ${lead}; expected ${namesOf(members)}.` }];
}

function handoffIssues({ mode, members }: Data): Found[] {
  return members.flatMap(({ name, handoffs = [] }, i) => {
    const at = (j: number, message: string): Found => ({ field: `members[${i}].handoffs[${j}]`, message });
    if (mode !== "handoff") return handoffs.slice(0, 1).map(() => at(0, `A team in the mode ${mode} hands nothing over.`));
    return handoffs.flatMap((to, j) => {
      if (to === name) return [at(j, "A member cannot hand over to itself.")];
      return isMember(to, members) ? [] : [at(j, `There is no member ${to}; expected ${namesOf(members)}.`)];
    });
  });
}

/** How many there must be for anything to happen between them; a judge does not debate. */
function sizeIssues({ mode, members, lead }: Data): Found[] {
  if (mode === "sequential" || mode === "parallel") return [];
  const needed = mode === "debate" && lead !== undefined ? 3 : 2;
  return members.length >= needed
    ? []
    : [{ field: "members", message: `Expected at least ${needed} members for the mode ${mode}; got ${members.length}.` }];
}

const isMember = (name: string, members: Data["members"]): boolean => members.some((member) => member.name === name);
const namesOf = (members: Data["members"]): string => members.map(({ name }) => name).join(", ");
