import { BaseEdge, getBezierPath, type Edge, type EdgeProps } from "@xyflow/react";
import { roundedPath } from "../../graph/path.ts";
import type { Route } from "../../graph/to-flow.ts";

export type RoutedEdge = Edge<{ route: Route | undefined }, "routed">;
const CORNER_PX = 12;

/** Along the way that was found for it, or a curve where the nodes were placed by hand. */
export const RoutedEdgePath = (props: EdgeProps<RoutedEdge>) => {
  const { id, data, label, labelBgPadding, labelBgBorderRadius } = props;
  const route = data?.route;
  const [curve, middleX, middleY] = getBezierPath(props);
  return (
    <BaseEdge
      id={id}
      path={route ? roundedPath(route.points, CORNER_PX) : curve}
      label={label}
      labelX={route?.label?.x ?? middleX}
      labelY={route?.label?.y ?? middleY}
      labelBgPadding={labelBgPadding ?? [6, 3]}
      labelBgBorderRadius={labelBgBorderRadius ?? 6}
    />
  );
};
