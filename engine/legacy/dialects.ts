/* How each of the dialects with a bag of values is read. None of them is ever written again. */
import { oldNode, defaultsOf, edgeFrom, fieldsOf, listOf, namesOf, placed, type Fields, type OldGraph, type OldStep } from "./graph.ts";

/** `{nodes: [{id, type, data}], edges: [{source, target}]}`: that of the old API. */
export function readNodesAndEdges(document: Fields): OldGraph {
  const steps = listOf(document["nodes"]).map((raw, index): OldStep => {
    const { id = `node-${index}`, type, position, data } = oldNode(raw);
    const config = { ...fieldsOf(data["config"]), ...data };
    const label = data["label"];
    return { id, type, label: typeof label === "string" ? label : id, config, ...placed(position) };
  });
  const edges = listOf(document["edges"]).map(edgeFrom);
  return { ...namesOf(document), steps, edges, defaults: defaultsOf(document["variables"]) };
}

/** `{steps: [{id, type, name, config}], connections: [{source, target, label}]}`: that of the old builder. */
export function readStepsAndConnections(document: Fields): OldGraph {
  const steps = listOf(document["steps"]).map((raw, index): OldStep => {
    const { id = `step-${index + 1}`, type, name, position, config } = oldNode(raw);
    return { id, type, label: name ?? id, config, ...placed(position) };
  });
  const edges = listOf(document["connections"]).map(edgeFrom);
  return { ...namesOf(document), steps, edges, defaults: defaultsOf(document["variables"]) };
}

/** `{steps: [{type, prompt}]}`: one after the other, in the order of the list. */
export function readList(document: Fields): OldGraph {
  const steps = listOf(document["steps"]).map((raw, index): OldStep => {
    const { id = `step-${index + 1}`, type, name, position } = oldNode(raw);
    return { id, type, label: name ?? id, config: fieldsOf(raw) ?? {}, ...placed(position) };
  });
  const edges = steps.slice(1).map(({ id }, index) => ({ id: `e${index}`, source: steps[index]?.id ?? "", target: id, way: "" }));
  return { ...namesOf(document), steps, edges, defaults: defaultsOf(document["variables"]) };
}

/** `{nodes: [{id, type, label, connections: [id]}]}`: the edges are on the nodes. */
export function readConnectedNodes(document: Fields): OldGraph {
  const nodes = listOf(document["nodes"]).map((raw, index) => {
    const { id = `node-${index}`, ...node } = oldNode(raw);
    return { id, ...node };
  });
  const steps = nodes.map(({ id, type, label, data, config, position }): OldStep => {
    return { id, type, label: label ?? id, config: { ...data, ...config }, ...placed(position) };
  });
  const pairs = nodes.flatMap(({ id, connections }) => connections.map((target) => ({ source: id, target })));
  const edges = pairs.map((pair, index) => ({ id: `e${index}`, ...pair, way: "" }));
  return { ...namesOf(document), steps, edges, defaults: defaultsOf(document["variables"]) };
}
