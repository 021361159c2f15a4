/** Draws only the rows in view. Named here once, as everything that scrolls far uses it. */
export { useVirtualizer as useVirtualRows } from "@tanstack/react-virtual";
